// Tries what this page's network lets through: the server, its WebSocket, datagrams, the relay. A few seconds, and no file.

import type { ServerMessage } from "../protocol/envelope.ts";
import { asArray, asCount, asObject, asString, field } from "../protocol/json.ts";
import { roomOfLinkSecret } from "../protocol/room.ts";
import { TUNNEL_READY } from "../protocol/tunnel.ts";
import type { Measured, Seen } from "../verdict.ts";
import { granted, type Grant } from "./ice.ts";
import { isLetIn } from "./probe_filter.ts";
import { random } from "./random.ts";
import { Signaling } from "./signaling.ts";
import type { Credential } from "./tunnel.ts";

/** Never throws: what does not work is what it is there to tell. */
export async function measure(): Promise<Measured> {
  const started = performance.now();
  const description = await describe().catch(() => undefined);
  const answeredMs = performance.now() - started;
  if (!description) return { server: undefined, socketMs: undefined, udp: undefined, relay: undefined };
  const [met, udp] = await Promise.all([meet(description).catch(() => undefined), reflections(description.stunPorts)]);
  return { server: { ...description, answeredMs }, socketMs: met?.socketMs, udp, relay: met?.relay };
}

interface Description {
  readonly version: string;
  readonly hasRelay: boolean;
  readonly stunPorts: readonly number[];
  readonly clockAhead: number | undefined;
}

async function describe(): Promise<Description> {
  const response = await fetch("/api/config", { cache: "no-store", signal: AbortSignal.timeout(ANSWER_MAX) });
  const config = asObject(await response.json());
  const date = Date.parse(response.headers.get("date") ?? "");
  return {
    version: asString(field(config, "version")),
    hasRelay: field(config, "relay") === true,
    stunPorts: asArray(field(config, "stun_ports") ?? []).map((port) => asCount(port, 65_535)),
    clockAhead: Number.isNaN(date) ? undefined : Math.round((date - Date.now()) / 1000),
  };
}

/** Opens a share; joins it as well if there is a relay, to which access comes only to those that have met. */
async function meet({ hasRelay, stunPorts }: Description): Promise<{ socketMs: number; relay: Measured["relay"] }> {
  const host = await Talk.open();
  try {
    const asked = performance.now();
    const room = roomOfLinkSecret(random(16));
    host.signaling.say({ type: "create", v: 1, kind: "link", room, ttl: ROOM_LIFETIME, max: 1 });
    await host.next("created");
    const socketMs = performance.now() - asked;
    return { socketMs, relay: hasRelay ? await tryRelay(host, room, stunPorts[0]).catch(() => ({ udp: undefined, socket: false, letsIn: undefined })) : undefined };
  } finally {
    host.signaling.close();
  }
}

async function tryRelay(host: Talk, room: string, stunPort: number | undefined): Promise<NonNullable<Measured["relay"]>> {
  const guest = await Talk.open();
  try {
    guest.signaling.say({ type: "join", v: 1, room });
    await guest.next("joined");
    const { cid } = await host.next("peer");
    guest.signaling.say({ type: "turn" });
    host.signaling.say({ type: "report", cid, what: "ok" });
    host.signaling.say({ type: "turn", cid });
    const [atHost, atGuest] = [granted(await host.next("turn")), granted(await guest.next("turn"))];
    const [udp, socket, letsIn] = await Promise.all([
      relayed(atGuest),
      tunnelled(atHost.credential, atGuest.credential),
      stunPort === undefined ? undefined : isLetIn(reflector(stunPort), atHost).catch(() => undefined),
    ]);
    return { udp, socket, letsIn };
  } finally {
    guest.signaling.close();
  }
}

/** Whether the relay gives this browser an address; `undefined` if it has none for datagrams. */
async function relayed(grant: Grant): Promise<boolean | undefined> {
  if (grant.servers.length === 0) return undefined;
  const { candidates } = await gather({ iceServers: [...grant.servers], iceTransportPolicy: "relay" });
  return candidates.some((candidate) => candidate.type === "relay");
}

/** Whether a word comes through the server's WebSocket from one end to the other. */
async function tunnelled(...ends: readonly (Credential | undefined)[]): Promise<boolean> {
  const sockets = ends.flatMap((credential) => {
    if (!credential) return [];
    const socket = new WebSocket(new URL("/relay", location.href.replace(/^http/, "ws")));
    socket.onopen = () => socket.send(JSON.stringify(credential));
    return [socket];
  });
  const through = new Promise<boolean>((resolve) => {
    for (const socket of sockets) {
      socket.onmessage = ({ data }: MessageEvent<unknown>) => (data === TUNNEL_READY ? socket.send(new Uint8Array(1)) : resolve(true));
      socket.onclose = () => resolve(false);
    }
    setTimeout(() => resolve(false), ANSWER_MAX);
  });
  const isThrough = await through;
  for (const socket of sockets) socket.close();
  return isThrough;
}

/** What the server sees of this browser's datagrams, at each of its ports. */
async function reflections(ports: readonly number[]): Promise<Seen | undefined> {
  if (ports.length === 0) return undefined;
  const urls = ports.map(reflector);
  const { candidates, isComplete, hasFailed } = await gather({ iceServers: urls.map((url) => ({ urls: url })) });
  const mapped = candidates.filter((candidate) => candidate.type === "srflx");
  // An address that the server sees as it is comes as no candidate of its own: then all there is to hear is that nothing failed.
  const isAnswered = mapped.length > 0 || (isComplete && !hasFailed);
  const strict = [false, true].some((isV6) => {
    const ports = mapped.filter((candidate) => candidate.address?.includes(":") === isV6).map(({ address, port }) => `${address} ${port}`);
    const own = candidates.filter((candidate) => candidate.type === "host" && candidate.address?.includes(":") === isV6).length;
    return new Set(ports).size > Math.max(own, 1);
  });
  const isV6 = candidates.some((candidate) => candidate.type !== "relay" && isPublicV6(candidate.address ?? ""));
  return { isAnswered, isMapped: mapped.length > 0, isStrict: strict, portCount: ports.length, isV6 };
}

function reflector(port: number): string {
  return `stun:${location.hostname}:${port}`;
}

function isPublicV6(address: string): boolean {
  return /^[23][0-9a-f]{3}:/.test(address);
}

interface Gathered {
  readonly candidates: readonly RTCIceCandidate[];
  readonly isComplete: boolean;
  readonly hasFailed: boolean;
}

/** Lets the browser look for its addresses, for as long as a prompt answer takes. */
async function gather(configuration: RTCConfiguration): Promise<Gathered> {
  const pc = new RTCPeerConnection(configuration);
  const candidates: RTCIceCandidate[] = [];
  let hasFailed = false;
  const done = new Promise<boolean>((resolve) => {
    pc.onicecandidate = ({ candidate }) => {
      if (candidate?.protocol === "udp") candidates.push(candidate);
    };
    pc.onicecandidateerror = ({ errorCode, address }) => {
      // Loopback and addresses without a route fail wherever one is; silence of the server is what counts.
      hasFailed ||= errorCode === 701 && !(address?.startsWith("127.") ?? false);
    };
    pc.onicegatheringstatechange = () => pc.iceGatheringState === "complete" && resolve(true);
    setTimeout(() => resolve(false), GATHER_MAX);
  });
  pc.createDataChannel("test");
  await pc.setLocalDescription();
  const isComplete = await done;
  pc.close();
  return { candidates, isComplete, hasFailed };
}

/** A conversation with the server in which messages are waited for. */
class Talk {
  readonly signaling: Signaling;
  readonly #heard: ServerMessage[];
  readonly #wake: { wake: () => void };

  private constructor(signaling: Signaling, heard: ServerMessage[], wake: { wake: () => void }) {
    this.signaling = signaling;
    this.#heard = heard;
    this.#wake = wake;
  }

  static async open(): Promise<Talk> {
    const heard: ServerMessage[] = [];
    const wake = { wake: (): void => undefined };
    const signaling = await Signaling.connect({
      message: (message) => {
        heard.push(message);
        wake.wake();
      },
      closed: () => wake.wake(),
    });
    return new Talk(signaling, heard, wake);
  }

  async next<T extends ServerMessage["type"]>(type: T): Promise<Extract<ServerMessage, { type: T }>> {
    const until = performance.now() + ANSWER_MAX;
    for (;;) {
      const found = this.#heard.find((message): message is Extract<ServerMessage, { type: T }> => message.type === type);
      if (found) return found;
      if (this.#heard.some((message) => message.type === "error") || performance.now() > until) throw new Error("no answer");
      await new Promise<void>((resolve) => {
        this.#wake.wake = resolve;
        setTimeout(resolve, until - performance.now());
      });
    }
  }
}

/** How long an answer of the server may take, in milliseconds. */
const ANSWER_MAX = 5_000;

/** How long the browser may look for addresses, in milliseconds; a server that is reached answers in a fraction of it. */
const GATHER_MAX = 4_000;

/** How long the room may live that nobody is told of, in seconds. */
const ROOM_LIFETIME = 60;
