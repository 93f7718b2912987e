// Both machines of a transfer, a disk and a link between them, in simulated time.

import { expect } from "vitest";

import { concat, type Bytes } from "../../src/protocol/bytes.ts";
import { encodeCtl } from "../../src/protocol/ctl.ts";
import { decodeDataFrame, encodeDataFrame } from "../../src/protocol/data_frame.ts";
import { chunkRange, hashOf } from "../../src/protocol/hash.ts";
import { CHUNK_BYTES } from "../../src/protocol/limits.ts";
import { Offer } from "../../src/protocol/offer.ts";
import { Receiver } from "../../src/protocol/receiver.ts";
import type { Acceptance, ReceiverEvent } from "../../src/protocol/receiver_io.ts";
import { Sender, type SenderEvent } from "../../src/protocol/sender.ts";
import { TransferError } from "../../src/protocol/transfer_error.ts";

const MIB = CHUNK_BYTES;

/** How both sides introduce themselves. */
export const hello = { v: 1, name: "test", agent: "test", features: [] };

/** Bytes that look random, and are others for each seed. */
export function content(seed: number, size: number): Bytes {
  const bytes = new Uint8Array(size);
  for (let i = 0, x = seed + 1; i < size; i++) bytes[i] = x = (x * 1_103_515_245 + 12_345) & 0x7fff_ffff;
  return bytes;
}

type Packet = { readonly at: number } & (
  | { readonly to: "sender" | "receiver"; readonly ctl: Bytes }
  | { readonly to: "receiver"; readonly data: ArrayBuffer }
);

export class Link {
  readonly contents: readonly (Bytes | undefined)[];
  delay = 1;
  /** The delay of data, where it is another. */
  dataDelay: number | undefined;
  /** How many connections carry data: of each frame another one, each slower than the one before. */
  connections = 1;
  acceptance: Acceptance | undefined;
  corruptOnce = false;
  unreadable: number | undefined;
  /** From which chunk on. */
  unreadableFrom = 0;
  pauseAt: number | undefined;
  declines = false;
  /** After how many messages the connection is lost, and another one takes over. */
  cutAt = Infinity;
  isCut = false;
  dataBytes = 0;
  outstandingMax = 0;
  readonly committed = new Set<number>();
  readonly senderEvents: SenderEvent[] = [];
  readonly receiverEvents: ReceiverEvent[] = [];
  readonly #disk = new Map<string, Bytes>();
  readonly #offer = new Offer();
  readonly #sender: Sender;
  readonly #receiver: Receiver;
  readonly #packets: Packet[] = [];
  #now = 0;
  #waits = { sender: 0, receiver: 0 };
  #finished = 0;
  #frames = 0;
  #resumeAt = Infinity;

  constructor(contents: readonly (Bytes | undefined)[], kind: "file" | "text" = "file") {
    this.contents = contents;
    this.#offer.extend(
      contents.map((bytes, i) => ({ path: [`e${i}`], kind: bytes ? kind : "dir", size: bytes?.length ?? 0 })),
    );
    this.#sender = new Sender(this.#offer, hello, 65_536, 0);
    this.#receiver = new Receiver(hello, 0);
  }

  put(entry: number, chunk: number, bytes: Bytes): void {
    this.#disk.set(`${entry}/${chunk}`, bytes);
  }

  /** Lets an earlier session have stored a chunk of an entry; everything is accepted. */
  leave(entry: number, chunk: number): void {
    const sent = this.contents[entry]!;
    const bytes = sent.subarray(...chunkRange(chunk, sent.length));
    this.put(entry, chunk, bytes);
    this.acceptance = { entries: this.contents.map((_, i) => i), present: new Map([[entry, [[chunk, hashOf(bytes)]]]]) };
  }

  /** Has both sides hear at that time that the other one gives an entry up. */
  skip(entry: number, at: number): void {
    const ctl = encodeCtl({ t: "skip", entry, reason: "changed" });
    this.#packets.push({ at, to: "sender", ctl }, { at, to: "receiver", ctl });
  }

  /** Whether the disk has what was sent. */
  holds(entry: number): boolean {
    const sent = this.contents[entry] ?? new Uint8Array();
    const chunks = Array.from({ length: Math.ceil(sent.length / MIB) }, (_, i) => this.#disk.get(`${entry}/${i}`)!);
    return Buffer.compare(concat(...chunks), sent) === 0;
  }

  /** Has so many connections carry the data. */
  spread(connections: number): void {
    this.connections = connections;
    this.#receiver.handleInput({ t: "spread", connections }, this.#now);
  }

  run(): TransferError | undefined {
    try {
      while (this.#finished < 2) {
        this.#drainSender();
        this.#drainReceiver();
        const [next] = this.#packets.sort((a, b) => a.at - b.at);
        const wake = Math.min(this.#waits.sender, this.#waits.receiver);
        if (next && next.at <= wake) {
          this.#packets.shift();
          this.#now = Math.max(this.#now, next.at);
          this.#deliver(next);
          if (--this.cutAt === 0) this.#cut();
        } else {
          this.#now = Math.max(this.#now, wake);
          if (this.#now >= this.#resumeAt) {
            this.#resumeAt = Infinity;
            this.#receiver.handleInput({ t: "pause", paused: false }, this.#now);
          }
          this.#sender.handleInput({ t: "timed_out" }, this.#now);
          this.#receiver.handleInput({ t: "timed_out" }, this.#now);
        }
      }
      return undefined;
    } catch (error) {
      if (error instanceof TransferError) return error;
      throw error;
    }
  }

  #cut(): void {
    this.isCut = true;
    this.#packets.length = 0;
    this.#sender.handleInput({ t: "reconnected" }, this.#now);
    this.#receiver.handleInput({ t: "reconnected" }, this.#now);
  }

  #deliver(packet: Packet): void {
    if ("data" in packet) this.#receiver.handleInput({ t: "data", message: packet.data }, this.#now);
    else if (packet.to === "sender") this.#sender.handleInput({ t: "ctl", bytes: packet.ctl }, this.#now);
    else this.#receiver.handleInput({ t: "ctl", bytes: packet.ctl }, this.#now);
  }

  #drainSender(): void {
    for (;;) {
      const output = this.#sender.pollOutput(this.#now);
      switch (output.t) {
        case "send":
          this.#packets.push({ at: this.#now + this.delay, to: "receiver", ctl: output.bytes });
          break;
        case "read": {
          const { entry, chunk } = output.id;
          const bytes = this.contents[entry]!.subarray(...chunkRange(chunk, this.contents[entry]!.length));
          if (entry === this.unreadable && chunk >= this.unreadableFrom) {
            this.#sender.handleInput({ t: "unread", id: output.id, reason: "unreadable" }, this.#now);
          } else {
            this.#sender.handleInput({ t: "read", id: output.id, bytes, hash: hashOf(bytes) }, this.#now);
          }
          break;
        }
        case "connect":
        case "stripe":
          break;
        case "report":
          this.senderEvents.push(output.event);
          break;
        case "finish":
          this.#finished++;
          break;
        case "wait": {
          const frame = this.#sender.pollData();
          if (!frame) {
            this.#waits.sender = output.until;
            return;
          }
          this.dataBytes += frame.bytes.length;
          const data = encodeDataFrame(frame).buffer;
          expect(decodeDataFrame(data)?.offset).toBe(frame.offset);
          const delay = (this.dataDelay ?? this.delay) * (1 + (this.#frames++ % this.connections));
          this.#packets.push({ at: this.#now + delay, to: "receiver", data });
        }
      }
    }
  }

  #drainReceiver(): void {
    for (;;) {
      const output = this.#receiver.pollOutput(this.#now);
      switch (output.t) {
        case "send":
          this.#packets.push({ at: this.#now + this.delay, to: "sender", ctl: output.bytes });
          break;
        case "write": {
          const { entry, offset, pieces, hash } = output;
          const bytes = concat(...pieces);
          const isCorrupt = this.corruptOnce || hashOf(bytes) !== hash;
          this.corruptOnce = false;
          if (!isCorrupt) this.put(entry, offset / MIB, bytes);
          this.#receiver.handleInput({ t: isCorrupt ? "corrupt" : "written", entry, offset }, this.#now);
          break;
        }
        case "commit":
          this.committed.add(output.entry);
          this.#receiver.handleInput({ t: "committed", entry: output.entry }, this.#now);
          break;
        case "settle":
          this.#receiver.handleInput({ t: "settled" }, this.#now);
          break;
        case "report":
          this.#hear(output.event);
          break;
        case "finish":
          this.#finished++;
          break;
        case "discard":
        case "stripe":
          break;
        case "wait":
          this.#waits.receiver = output.until;
          return;
      }
    }
  }

  #hear(event: ReceiverEvent): void {
    this.receiverEvents.push(event);
    if (event.t === "offered") {
      const everything = this.contents.map((_, i) => i);
      const acceptance = this.acceptance ?? { entries: everything, present: new Map() };
      if (this.declines) this.#receiver.handleInput({ t: "decline", reason: "declined" }, this.#now);
      else this.#receiver.handleInput({ t: "accept", acceptance }, this.#now);
    } else if (event.t === "progress" && this.pauseAt !== undefined && event.bytes >= this.pauseAt) {
      this.pauseAt = undefined;
      this.#receiver.handleInput({ t: "pause", paused: true }, this.#now);
      this.#resumeAt = this.#now + 90_000;
    }
  }
}
