/**
 * The text whose words the demo model counts. It was written for this purpose: plain sentences about markets, providers
 * and inference. A blank line ends a paragraph, and the end of a paragraph is where the model learns to stop.
 *
 * @since 0.1.0
 */

/**
 * The text. Changing a word of it changes the model and its digest.
 *
 * @category constants
 * @since 0.1.0
 */
export const DemoText = `
A market is a place where people who need something meet people who can give it. Some of them bring money and some of them bring work. A good market makes the meeting short and the price clear. A bad market hides the price and makes the meeting long. The people who run a market do not make the goods. They keep the doors open, they keep the books, and they keep the rules.

This market sells the work of machines that answer questions. A machine reads some words and writes some words. The words that it reads are called the prompt. The words that it writes are called the answer. The work is counted in tokens, and a token is a small piece of a word. A long prompt has many tokens and a short answer has few.

A buyer sends a request to the gateway. The gateway looks at the key of the buyer and asks whether the key is known. It looks at the price and asks how much the request can cost. It sets the money aside before the work begins. Then it looks for a provider that can do the work.

A provider brings a machine to the market. The machine may be large or small. It may have one fast card, or it may have many slow cores. The provider names a model and a price, and the market writes both of them down. The market never asks where the machine stands. It asks only whether the work is done.

The router reads the list of providers and chooses one of them. It leaves out every provider that is full. It leaves out every provider that has not been heard from for a while. Of those that are left it takes the one with the least work. When two of them have the same work, it takes one of them by chance.

The answer comes back in small pieces. Each piece is sent to the buyer as soon as it is there. The buyer sees the first words before the last words are made. When the buyer goes away, the gateway closes the request and the provider stops. Nobody pays for words that were never sent.

The meter counts the tokens that pass. It does not believe every number that it hears. A provider may say that it made a thousand tokens, but the meter saw the bytes and knows how many tokens they can hold. The smaller number is the one that counts. A fair meter is good for the buyer, and in the long run it is good for the provider.

Then the books are written. The money that was set aside is given to the provider, and the market keeps a small share. What is left goes back to the buyer. Every line of the books has another line that answers it, and the sum of all lines is zero. A number that does not add up is found on the same day.

A receipt is left for every request. It says who asked, who answered, how many tokens there were and what they cost. The market signs the receipt with its key. Anyone who has the receipt can check it, and nobody needs to ask the market whether it is true. A signed receipt is worth more than a promise.

Sometimes a machine stops in the middle of the work. Then the buyer gets what was made and pays for no more than that. If nothing was made, the gateway asks another provider, and the buyer does not notice. A market cannot stop machines from breaking. It can make sure that a broken machine does not break the books.

Sometimes the gateway itself stops. Then the money that was set aside is given back to the buyer. The provider shows its ticket and its log, and the market pays for the work from its own pocket. That is how it should be. The one who made the mistake is the one who pays for it.

A ticket is a promise in writing. The gateway signs it and hands it to the provider with the request. It says which request it is for and how much will be paid at most. The provider keeps the ticket until the market says that the work is paid. A provider that works without a ticket works for nothing.

The log of the provider is a chain of lines. Every line holds the mark of the line before it. When one line is changed, every mark after it is wrong, and everyone can see it. The provider signs the last mark with the key of its machine. So the log can grow, but it cannot be rewritten.

A heart beats in every machine that serves. Once a minute it tells the market that the machine is alive. It says how many requests are in work and it sends the lines that the market has not seen. When the beats stop, the market waits for a short while and then sends no more requests. When the beats come back, the requests come back as well.

Price is a way to talk. A high price says that there is little to sell. A low price says that there is room for more. A provider that asks too much will wait, and a provider that asks too little will be busy and poor. Between the two there is a price at which the work is worth doing. The market does not know this price, but it can find it.

Trust is slow to grow and quick to lose. A new provider begins with a few requests. When they are served well, it gets more of them. When they are served badly, it gets fewer. This is not a punishment. It is how people deal with each other in every market, and it works for machines as well.

A model is a very large table of numbers. It was made from many books and many pages, and the numbers hold what those pages had in common. When the model reads a prompt, it looks for the word that is most likely to come next. Then it reads the prompt again with the new word at the end. It does this again and again until the answer is complete.

This model is not like that. It is very small. It counted which word follows which word in a short text, and it knows nothing else. It does not read your question. It cannot remember what it said a moment ago. It makes sentences that sound like the text and mean nothing. It is here so that you can see the market at work before you bring a model of your own.

To serve a real model you need a file that holds its numbers, or a server that has loaded them. Tell the agent where the file is, or tell it where the server listens. The agent finds the common servers by itself. It will ask for the name of the model and for your price. After that the requests will come.

A large model needs a large memory. When the memory is too small, the machine becomes slow, and a slow machine gets few requests. It is better to serve a small model well than a large model badly. Look at what the buyers ask for. Look at what the other providers charge. Then choose a model that fits your machine.

A machine can do many requests at the same time, but not too many. Every request takes a part of the memory, and every token takes a part of the time. The provider says how many requests it can take. The router keeps to this number. When the number is too high, every buyer waits. When it is too low, the machine sleeps.

Before a machine stops, it says so. The market sends no new requests, and the machine finishes the ones that it has. Then it says goodbye and goes away. This is called draining. A machine that drains loses nothing, and neither do its buyers. A machine that is pulled from the wall loses the work that it was doing.

Keys are small secrets. A buyer has a key that pays, and a provider has a key that earns. A machine has a key that never leaves it. Keep your keys in a safe place and give each of them only one job. When a key is lost, close it and make a new one. The old key then opens nothing.

What people ask is their own business. The market does not keep the words of a prompt, and it does not keep the words of an answer. It keeps numbers, because numbers are enough to pay and to check. A provider sees the words while it works on them. It should forget them when the work is done.

Rules are written before the game begins. A rule that can be read by everyone can be checked by everyone. When the rules change, the change has a date, and a request that began under the old rules ends under the old rules. So nobody can lose money to a rule that was not there. It is a simple idea, and it keeps the peace.

A small market can become a large one. At first there is one gateway and one machine. Then there are ten machines and a hundred buyers. Then there are many gateways that share the same books. The work of one request stays the same. It is asked, it is priced, it is paid for, it is sent, it is answered, it is counted, and it is written down.

Speed matters in small things. A buyer notices when the first word is late. A gateway that adds a moment to every request takes that moment from every buyer. So the gateway does little while the words pass. It thinks before the request and it writes after the answer. In between it stands aside.

There is more than one way to be a good provider. Some are fast and ask for more. Some are slow and ask for less. Some serve a model that nobody else has. Some are always there when the others sleep. The market has room for all of them, as long as they say what they do and do what they say.

When something goes wrong, the market should say what happened, why it happened and what to do. A short and clear sentence is better than a long number. A person who reads it at night should know the next step. Machines read it too, so every kind of trouble has a name that does not change.

Nothing here is magic. There are machines that work, people who pay, and books that add up. The rest is care. If you run a market with care, people will come back to it. If they come back, it will grow. That is all that a market can hope for.
`
