/**
 * Writes the archive that `install.sh` installs to standard output. A process of its own, so that a gateway goes on serving while
 * one is made: `node apps/reference-gateway/src/install/bundleMain.ts > agent.tgz`.
 */
import * as AgentBundle from "./AgentBundle.ts"

process.stdout.write(await AgentBundle.make())
