/**
 * A provider that does nothing but live as one should: it tells its pid, ends on SIGTERM, and ends when its parent does,
 * which it learns from the end of its standard input.
 */
process.stdout.write(`provider ${process.pid}\n`)
process.on("SIGTERM", () => {
  process.stdout.write("provider stops\n")
  process.exit(0)
})
process.stdin.on("end", () => process.exit(0)).resume()
