/** What was never built under its address, and what to do instead. */
import { Problem } from "@guildhall/protocol/api/Problem"

/** The address, whatever the method. */
export const REGISTER_GPU = "/api/network/register-gpu"

/** The way to pair a machine. */
export const registerGpu = Problem.of(
  "pair_instead",
  "Make a code with POST /api/devices/pair-code (API key of the role provider), run `guildhall-agent pair <code>` on the machine, compare the fingerprint that both show, and approve it with POST /api/devices/:id/approve. Then `guildhall-agent` serves without an API key.",
)
