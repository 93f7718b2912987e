// A description of a connection, as a stack would write it.

import { parseSdp, type Sdp, type SdpKind } from "../../src/protocol/sdp.ts";

export function sdpText(setup: string): string {
  const fingerprint = Array.from({ length: 32 }, () => "00").join(":");
  return [
    "v=0",
    "m=application 9 UDP/DTLS/SCTP webrtc-datachannel",
    "a=ice-ufrag:abcd",
    "a=ice-pwd:0123456789012345678901",
    `a=fingerprint:sha-256 ${fingerprint}`,
    `a=setup:${setup}`,
    "",
  ].join("\r\n");
}

export function sdp(kind: SdpKind): Sdp {
  const parsed = parseSdp(sdpText(kind === "offer" ? "actpass" : "active"), kind);
  if ("error" in parsed) throw new Error(parsed.error);
  return parsed.sdp;
}
