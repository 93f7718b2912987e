// Whether strangers are let in to a port that a NAT opened: the server's relay is one, as nothing was ever sent to its address.
// A page cannot ask a reflector to answer from another port, as `doctor` does.

import type { Grant } from "./ice.ts";

/** `undefined` if it cannot be told: there is no NAT, or the relay gives no address. */
export async function isLetIn(reflector: string, grant: Grant): Promise<boolean | undefined> {
  if (grant.servers.length === 0) return undefined;
  const [here, stranger] = [
    new RTCPeerConnection({ iceServers: [{ urls: reflector }] }),
    new RTCPeerConnection({ iceServers: [...grant.servers], iceTransportPolicy: "relay" }),
  ];
  try {
    here.createDataChannel("test");
    const opened = candidateOf(here, "srflx");
    const relayed = candidateOf(stranger, "relay");
    const offer = await here.createOffer();
    await here.setLocalDescription(offer);
    const port = await opened;
    if (!port) return undefined;
    await stranger.setRemoteDescription(offer);
    const answer = await stranger.createAnswer();
    // This side is told who will come, and not from where, so that it never sends there first.
    await here.setRemoteDescription(answer);
    await stranger.setLocalDescription(answer);
    if (!(await relayed)) return undefined;
    // It may be quicker than the promise.
    const connected = isConnected(stranger);
    await stranger.addIceCandidate(port);
    return await connected;
  } finally {
    here.close();
    stranger.close();
  }
}

/** Waits for an address of a kind. */
function candidateOf(pc: RTCPeerConnection, type: RTCIceCandidateType): Promise<RTCIceCandidate | undefined> {
  return new Promise((resolve) => {
    setTimeout(() => resolve(undefined), CANDIDATE_MAX);
    pc.addEventListener("icecandidate", ({ candidate }) => {
      if (!candidate) resolve(undefined);
      else if (candidate.type === type && candidate.protocol === "udp") resolve(candidate);
    });
  });
}

function isConnected(pc: RTCPeerConnection): Promise<boolean> {
  return new Promise((resolve) => {
    setTimeout(() => resolve(false), LET_IN_MAX);
    pc.addEventListener("iceconnectionstatechange", () => {
      const state = pc.iceConnectionState;
      if (state === "connected" || state === "completed") resolve(true);
      else if (state === "failed" || state === "closed") resolve(false);
    });
  });
}

/** How long the browser may look for an address, in milliseconds. */
const CANDIDATE_MAX = 4_000;

/** How long the stranger knocks, in milliseconds: many times. */
const LET_IN_MAX = 3_000;
