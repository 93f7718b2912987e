// One peer connection with its two lanes, `ctl` and `data`: both ordered, reliable and negotiated by number.

import { sha256 } from "@noble/hashes/sha2.js";

import { Failure } from "../failure.ts";
import type { Bytes } from "../protocol/bytes.ts";
import type { Connection } from "../protocol/keys.ts";
import { DATA_PAYLOAD_BYTES } from "../protocol/limits.ts";
import { HEADER_BYTES } from "../protocol/data_frame.ts";
import { Inbox, SEND_BUFFER_HIGH, SEND_BUFFER_LOW, type Channel, type ChannelHandler, type Path, type Recipe } from "./channel.ts";
import type { Ice } from "./ice.ts";
import { parseSdp, type Candidate, type SdpKind } from "../protocol/sdp.ts";

/** What happens while the connection is set up. */
export interface DialHandler {
  candidate(candidate: Candidate): void;
  open(): void;
  failed(): void;
}

export class Peer implements Channel {
  readonly #pc: RTCPeerConnection;
  readonly #ctl: RTCDataChannel;
  readonly #data: RTCDataChannel;
  #dial: DialHandler | undefined;
  readonly #inbox = new Inbox();
  #isOver = false;
  #patience: ReturnType<typeof setTimeout> | undefined;

  readonly #ice: Ice;
  #recipe: Recipe;
  /** Our description, which has been said but not acted on: the search for addresses waits for the relay. */
  #described: RTCSessionDescriptionInit | undefined;

  constructor(ice: Ice, dial: DialHandler) {
    this.#pc = new RTCPeerConnection({ iceServers: [...ice.servers] });
    this.#ice = ice;
    this.#recipe = ice.servers;
    this.#dial = dial;
    this.#ctl = this.#lane("ctl", 0);
    this.#data = this.#lane("data", 1);
    this.#data.bufferedAmountLowThreshold = SEND_BUFFER_LOW;
    this.#data.onbufferedamountlow = () => this.#inbox.handler?.drained();
    this.#pc.onicecandidate = ({ candidate }) => {
      if (!candidate || candidate.candidate === "") return;
      const { candidate: text, sdpMid, sdpMLineIndex } = candidate;
      this.#dial?.candidate({
        candidate: text,
        ...(sdpMid === null ? {} : { sdpMid }),
        ...(sdpMLineIndex === null ? {} : { sdpMLineIndex }),
      });
    };
    this.#pc.onconnectionstatechange = () => this.#watch();
  }

  #lane(label: string, id: number): RTCDataChannel {
    const lane = this.#pc.createDataChannel(label, { negotiated: true, id, ordered: true });
    lane.binaryType = "arraybuffer";
    lane.onmessage = ({ data }: MessageEvent<unknown>) => this.#take(data, id === 0);
    lane.onopen = () => {
      if (this.#ctl.readyState !== "open" || this.#data.readyState !== "open") return;
      this.#dial?.open();
    };
    lane.onclose = () => this.#end();
    return lane;
  }

  async offer(): Promise<string> {
    return this.#describe(await this.#pc.createOffer());
  }

  async answer(offer: string): Promise<string> {
    await this.#pc.setRemoteDescription({ type: "offer", sdp: offer });
    return this.#describe(await this.#pc.createAnswer());
  }

  async #describe(description: RTCSessionDescriptionInit): Promise<string> {
    this.#described = description;
    if (!this.#ice.hasRelay) await this.begin([]);
    return description.sdp ?? "";
  }

  /** Looks for addresses, with the help of the relay if one was granted. Does nothing the second time. */
  async begin(relay: readonly RTCIceServer[]): Promise<void> {
    const description = this.#described;
    if (!description) return;
    this.#described = undefined;
    if (relay.length > 0) {
      this.#recipe = [...this.#ice.servers, ...relay];
      this.#pc.setConfiguration({ ...this.#pc.getConfiguration(), iceServers: [...this.#recipe] });
    }
    await this.#pc.setLocalDescription(description);
  }

  async acceptAnswer(answer: string): Promise<void> {
    await this.#pc.setRemoteDescription({ type: "answer", sdp: answer });
  }

  /** An address that the browser cannot use is no reason to stop. */
  async addCandidate(candidate: Candidate): Promise<void> {
    await this.#pc.addIceCandidate({ sdpMid: "0", ...candidate }).catch(() => undefined);
  }

  get isOpen(): boolean {
    return !this.#isOver && this.#ctl.readyState === "open" && this.#data.readyState === "open";
  }

  /** The certificates and ICE names in use. The browser enforces that the peer's certificate is the one described. */
  connection(): Connection {
    return {
      local: endpoint(this.#pc.localDescription),
      remote: { ...endpoint(this.#pc.remoteDescription), ...this.#presented() },
    };
  }

  /** The certificate that the peer really presented, where the browser tells. */
  #presented(): { fingerprint?: Uint8Array } {
    const dtls: unknown = this.#pc.sctp?.transport;
    if (typeof dtls !== "object" || dtls === null || !("getRemoteCertificates" in dtls)) return {};
    const [certificate] = (dtls as RTCDtlsTransport).getRemoteCertificates();
    return certificate ? { fingerprint: sha256(new Uint8Array(certificate)) } : {};
  }

  listen(handler: ChannelHandler): void {
    this.#inbox.listen(handler);
    if (this.#isOver) queueMicrotask(() => handler.lost());
  }

  unlisten(): void {
    this.#inbox.handler = undefined;
  }

  giveBack(frames: readonly Uint8Array[]): void {
    this.#inbox.giveBack(frames);
  }

  sendCtl(frame: Bytes): void {
    this.#send(this.#ctl, frame);
  }

  sendData(message: Bytes): void {
    this.#send(this.#data, message);
  }

  #send(lane: RTCDataChannel, message: Bytes): void {
    if (lane.readyState !== "open") return;
    try {
      lane.send(message);
    } catch {
      // Full beyond all limits, or closing: either way nothing more gets through, and this is lost.
      queueMicrotask(() => this.#end());
    }
  }

  get waiting(): number {
    return this.#data.bufferedAmount;
  }

  get hasRoom(): boolean {
    return this.waiting < SEND_BUFFER_HIGH;
  }

  get recipe(): Recipe {
    return this.#recipe;
  }

  get payloadBytes(): number {
    const max = this.#pc.sctp?.maxMessageSize ?? DATA_PAYLOAD_BYTES;
    return Math.min(DATA_PAYLOAD_BYTES, max) - HEADER_BYTES;
  }

  async path(): Promise<Path | undefined> {
    const stats = await this.#pc.getStats();
    const byId = new Map<string, Record<string, unknown>>();
    stats.forEach((report: Record<string, unknown>) => byId.set(String(report.id), report));
    for (const pair of byId.values()) {
      if (pair.type !== "candidate-pair" || pair.state !== "succeeded" || pair.nominated !== true) continue;
      const ends = [byId.get(String(pair.localCandidateId)), byId.get(String(pair.remoteCandidateId))];
      const rtt = typeof pair.currentRoundTripTime === "number" ? pair.currentRoundTripTime * 1000 : undefined;
      const isRelayed = ends.some((end) => end?.candidateType === "relay");
      return { kind: isRelayed ? "relay" : isLocal(ends[1]) ? "lan" : "direct", roundTrip: rtt, connections: 1 };
    }
    return undefined;
  }

  close(): void {
    clearTimeout(this.#patience);
    this.#isOver = true;
    this.#inbox.handler = undefined;
    this.#dial = undefined;
    this.#pc.close();
  }

  #take(data: unknown, isCtl: boolean): void {
    if (!this.#inbox.take(data, isCtl)) this.close();
  }

  #watch(): void {
    const state = this.#pc.connectionState;
    if (state === "failed") {
      this.#dial?.failed();
      this.#end();
    } else if (state === "disconnected") {
      this.#inbox.handler?.disturbed(true);
      this.#patience ??= setTimeout(() => this.#end(), LOST_AFTER);
    } else if (state === "connected") {
      clearTimeout(this.#patience);
      this.#patience = undefined;
      this.#inbox.handler?.disturbed(false);
    }
  }

  #end(): void {
    if (this.#isOver) return;
    this.#isOver = true;
    clearTimeout(this.#patience);
    this.#pc.close();
    this.#inbox.handler?.lost();
  }
}

function endpoint(description: RTCSessionDescription | null): { fingerprint: Uint8Array; iceUfrag: string } {
  // A local answer and a remote offer both take part; only the kind's role line differs.
  const kind: SdpKind = description?.type === "offer" ? "offer" : "answer";
  const parsed = parseSdp(description?.sdp ?? "", kind);
  if ("error" in parsed) throw new Failure({ t: "internal", detail: `own description: ${parsed.error}` });
  return parsed.sdp;
}

/** Whether the other end's address is inside the local network; browsers hide some of those altogether. */
function isLocal(end: Record<string, unknown> | undefined): boolean {
  const address = typeof end?.address === "string" ? end.address : "";
  return (
    address === "" ||
    address.endsWith(".local") ||
    /^(10\.|127\.|169\.254\.|192\.168\.|172\.(1[6-9]|2\d|3[01])\.)/.test(address) ||
    /^(::1$|fe[89ab]|f[cd])/i.test(address)
  );
}

/** How long a disturbed connection may take to come back; another one is looked for meanwhile. */
const LOST_AFTER = 30_000;
