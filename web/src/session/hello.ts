// How this page introduces itself.

import type { Hello } from "../protocol/ctl.ts";
import { STREAMS } from "../protocol/streams.ts";
import { recallVisibility } from "./visibility.ts";

export function ownHello(): Omit<Hello, "role"> {
  return { v: 1, name: recallVisibility().name, agent: "p2pshare-web", features: [STREAMS] };
}
