// Every word that a person reads, in one place for translation. Numbers and names come in as arguments.

import type { StoreKind } from "../disk/messages.ts";
import type { FailureReason } from "../failure.ts";
import type { CodeError } from "../protocol/code.ts";
import type { LinkError } from "../protocol/link.ts";
import type { TransferErrorReason } from "../protocol/transfer_error.ts";
import type { JoinStep } from "../session/joining.ts";
import { CLOCK_MAX, type CheckState, type Finding, type Verdict } from "../verdict.ts";

export const words = {
  name: "p2pshare",
  tagline: "Files go straight from one device to the other.",
  sendTitle: "Send files",
  dropTitle: "Drop files here",
  dropHint: "or choose, or paste",
  chooseFiles: "Choose files",
  chooseFolder: "Choose a folder",
  haveCode: "Have a code?",
  codeLabel: "Code",
  receive: "Receive",
  toSend: "To send",
  remove: (name: string) => `Remove ${name}`,
  text: "Text",
  addMore: "Add more",
  clear: "Clear",
  createLink: "Share",
  options: "Options",
  password: "Password",
  passwordHint: "Asked of every receiver",
  manyReceivers: "Several receivers",
  manyHint: "Otherwise the share ends with the first",
  verifyOption: "Compare a number first",
  verifyHint: "Both people see six digits and say whether they match",
  cancel: "Cancel",
  pause: "Pause",
  resume: "Resume",
  back: "Back",
  startOver: "Start over",
  tryAgain: "Try again",
  sendBack: "Send something",
  theme: "Theme",
  themes: { auto: "Automatic", light: "Light", dark: "Dark" },
  insecure:
    "Opened over http: someone on this network could change this page. Use https or the command line where that matters.",
  about: "End to end encrypted. The server only introduces the two devices.",

  connecting: "Connecting",
  steps: { server: "Reaching the server", pairing: "Checking the code", connecting: "Finding the way" } satisfies Record<
    JoinStep,
    string
  >,

  passwordTitle: "This share has a password",
  passwordWrong: "Wrong password.",
  attempts: (left: number) => (left === 1 ? "1 try left" : `${left} tries left`),
  continue: "Continue",
  checking: "Checking…",
  passwordErrors: {
    empty: "Type the password.",
    too_long: "That is too long for a password.",
    control_character: "A password has no line breaks or tabs.",
  },

  verifyTitle: "Do both sides show this number?",
  verifyText: "Ask the other person. If the numbers differ, somebody stands between you.",
  verifySame: "Yes, the same",
  verifyOther: "No",
  verifyWaiting: "Waiting for the other side…",

  offerFrom: (name: string) => (name === "" ? "Someone sends you" : `${name} sends you`),
  download: "Download",
  resumeDownload: (saved: string, total: string) => `Resume: ${saved} of ${total} saved`,
  intoFolder: "Save into a folder…",
  decline: "Decline",
  all: "All",
  chosenOf: (chosen: number, total: number) => (chosen === total ? `${total} entries` : `${chosen} of ${total} entries`),
  textEntry: "A text",
  folderEntry: "Folder",
  streamEntry: "Stream",
  noRoom: (free: string) => `The browser has room for ${free} only.`,
  nothing: "There is nothing in it.",
  checkingSaved: "Checking what is saved…",

  stores: {
    memory: "Small enough for memory; goes to your downloads when all is there.",
    opfs: "Kept in the browser's own storage while it arrives, then goes to your downloads. Survives a reload.",
    folder: "Written straight into the folder that you chose. Survives a lost connection; a reload starts over.",
    stream: "Goes straight to your downloads, as the browser has no room to keep it meanwhile. A reload or a lost connection starts over.",
    idb: "Kept in the browser's database while it arrives, as this page is not on https. Survives a reload.",
  } satisfies Record<StoreKind, string>,

  receivingFrom: (name: string) => (name === "" ? "Receiving" : `Receiving from ${name}`),
  sendingTo: (name: string) => (name === "" ? "Sending" : `Sending to ${name}`),
  ofTotal: (bytes: string, total: string) => `${bytes} of ${total}`,
  perSecond: (bytes: string) => `${bytes}/s`,
  timeLeft: (time: string) => `${time} left`,
  files: (done: number, total: number) => `${done} of ${total} files`,
  paths: { lan: "Direct, local network", direct: "Direct", relay: "Relayed", websocket: "Relayed by the server" },
  roundTrip: (ms: number) => `${ms} ms`,
  connections: (count: number) => `${count} connections`,
  reconnecting: "Reconnecting… nothing is lost",
  paused: "Paused",
  saving: "Saving…",
  details: "Details",
  percent: (percent: number) => `${percent} percent`,

  received: "Received",
  receivedText: (count: number, size: string) => `${count === 1 ? "1 file" : `${count} files`}, ${size}, verified.`,
  saved: "Look in your downloads.",
  savedIn: (folder: string) => `They are in the folder ${folder}.`,
  saveAgain: "Save again",
  saveOne: (name: string) => `Save ${name}`,
  copy: "Copy",
  copied: "Copied",
  skipped: (count: number) => (count === 1 ? "1 file was left out." : `${count} files were left out.`),
  sent: "Sent",
  sentText: (count: number, size: string) => `${count === 1 ? "1 file" : `${count} files`}, ${size}, arrived and verified.`,
  textReceived: "Text",

  inboxTitle: (name: string) => (name === "" ? "Send to the other side" : `Send to ${name}`),
  inboxSend: "Send",

  shareTitle: "Ready to send",
  shareText: "Read out the code, or let the other device open the link.",
  code: "Code",
  link: "Link",
  qr: "QR code of the link",
  onlyHere: "This link opens on this device only. To share with others, open this page at the address that this device has on their network.",
  copyLink: "Copy link",
  copyCode: "Copy code",
  keepOpen: "Keep this tab open.",
  opening: "Opening…",
  offline: "The server cannot be reached. Trying again…",
  crowded: (seconds: number) => `The server asks to wait ${seconds} s: too much came from this network just now.`,
  wrongCode: (left: number) =>
    left === 0 ? "Wrong codes were tried. The code has changed." : `A wrong code was tried. After ${left} more the code changes.`,
  wrongPassword: (left: number) =>
    left === 0 ? "Too many wrong passwords: nobody can try another." : "A wrong password was tried.",
  unlock: "Allow more tries",
  receivers: "Receivers",
  noReceiver: "Nobody is connected yet.",
  unnamed: "Receiver",
  guestWaiting: "Looks at the offer",
  guestDone: "Has everything",
  stopSharing: "Stop sharing",

  nearby: "Nearby",
  nearbyNobody: "Nobody lets itself be seen on this network. Open this page on another device, or run p2pshare recv --nearby.",
  nearbyUntold: "This server cannot tell which devices are on one network.",
  unseen: "This device, seen by nobody",
  nearbyAll: "Open Nearby",
  nearbyHint: "Tap a device, or drop something onto it.",
  remember: "Remember this device: next time no number is compared",
  remembered: "Remembered devices",
  rememberedHint: "They send to this device, and it to them, without a number to compare.",
  rememberedNobody: "None yet. When a number is compared with a device nearby, tick that it is to be remembered.",
  forget: "Forget",
  forgetName: (name: string) => `Forget ${name}`,
  visible: "Let others on this network see this device",
  visibleHint: "They see the name, and can ask to send something.",
  ownName: "The name that others see",
  sendTo: (name: string) => `Send to ${name}`,
  chooseFor: (name: string) => `Choose what to send to ${name}.`,
  somebody: "Somebody",
  knock: (name: string) => `${name} wants to send something`,
  knockText: (name: string) => `Does ${name} show this number? If not, it is somebody else.`,
  letIn: "Yes, accept",
  verifyOf: (name: string) => `Does ${name} show this number?`,

  testLink: "Test this network",
  testRunning: "Testing this network…",
  testHint: "This takes a few seconds. No file is sent.",
  testAgain: "Test again",
  copyReport: "Copy the report",
  testStates: { ok: "Good", note: "Note", bad: "Bad" } satisfies Record<CheckState, string>,

  closeGuard: "A transfer is running.",
  unsupported: "This browser has no WebRTC, which carries the files. A current Firefox, Chrome, Edge or Safari has it.",
  hintNotActive: "A share ends when it was fetched, when it expires, or when its sender stops.",
  kept: "What has arrived is kept for a week: when the same files are sent again, only the rest travels.",
} as const;

export const verdictTexts: Record<Verdict, string> = {
  direct: "Direct connections should work",
  direct_mostly: "Direct connections should work, except with devices behind a strict NAT",
  direct_or_relay: "Direct connections work with open networks only; the relay leads to all others",
  strict: "Direct connections work with open networks only",
  relay_only: "UDP is blocked here: everything goes through the relay",
  udp_blocked: "UDP is blocked here, and the server has no relay",
  websocket_blocked: "The server answers, but nothing can be shared over it",
  server_unreachable: "The server does not answer",
  untold: "The server can be used; whether direct connections work cannot be told",
};

export const verdictAdvice: Record<Verdict, string> = {
  direct: "",
  direct_mostly: "A server with a relay reaches those, too.",
  direct_or_relay: "",
  strict: "Use a server with a relay, or another network, such as a phone's.",
  relay_only: "That is slower. For direct connections, the network has to let UDP out.",
  udp_blocked: "Only devices on this network can be reached. Use another network, or a server with a relay.",
  websocket_blocked: "A proxy or firewall on the way may not pass WebSockets. Open this page over https, or use another network.",
  server_unreachable: "Check that this device is online, and load the page again.",
  untold: "",
};

export const testNames: Record<Finding["t"], string> = {
  server: "Server",
  websocket: "WebSocket",
  udp: "UDP",
  nat: "NAT",
  ipv6: "IPv6",
  relay: "Relay",
  clock: "Clock",
  secure: "Page",
  store: "Storage",
};

const UDP = { reached: "Reaches the server", silent: "Nothing comes back", untold: "The server does not answer it" };

const NAT = {
  none: "None: this device is seen under its own address",
  open: "Open: one public port towards everybody, and everybody is let in",
  moderate: "Moderate: one public port towards everybody, and only who was written to is let in",
  easy: "Open or moderate: one public port towards everybody. Whether all are let in takes a server with a relay to tell",
  strict: "Strict: another public port towards each",
  untold: "There is one; its kind cannot be told",
};

const RELAY = {
  both: "Works over UDP and over the WebSocket",
  udp: "Works over UDP only",
  websocket: "Works over the WebSocket",
  none: "The server has none",
  untried: "Could not be tried",
  broken: "Does not work",
};

/** What was found out about one thing. */
export function findingText(finding: Finding): string {
  switch (finding.t) {
    case "server":
      return finding.version === undefined ? "Does not answer" : `Version ${finding.version}`;
    case "websocket":
      return finding.ms === undefined ? "Nothing comes through" : `Answers after ${Math.max(1, Math.round(finding.ms))} ms`;
    case "udp":
      return UDP[finding.says];
    case "nat":
      return NAT[finding.says];
    case "ipv6":
      return finding.isThere ? "A public address" : "No public address to be seen";
    case "relay":
      return RELAY[finding.says];
    case "clock":
      if (Math.abs(finding.ahead) <= CLOCK_MAX) return "Agrees with the server's";
      return `${Math.abs(finding.ahead)} s ${finding.ahead > 0 ? "behind" : "ahead of"} the server's`;
    case "secure":
      return finding.isSecure ? "Opened over https, or on this machine" : "Opened over http: others on this network could change it";
    case "store":
      return words.stores[finding.store];
  }
}

/** All of it as text; it holds no address. */
export function reportText({ verdict, findings }: { readonly verdict: Verdict; readonly findings: readonly Finding[] }): string {
  const lines = findings.map((finding) => `  ${finding.state.padEnd(4)}  ${testNames[finding.t]}: ${findingText(finding)}`);
  return [`p2pshare, ${navigator.userAgent}`, ...lines, `${verdictTexts[verdict]}. ${verdictAdvice[verdict]}`.trim()].join("\n");
}

export const codeErrors: Record<CodeError, string> = {
  empty: "Type the code that the sender sees.",
  not_a_digit: "A code has digits only.",
  second_dash: "A code has one dash at most.",
  secret_too_short: "The code is not complete.",
  secret_too_long: "The code is too long.",
  too_short: "The code is not complete.",
  too_long: "The code is too long.",
  leading_zero: "No code starts with 0.",
};

export const linkErrors: Record<LinkError, string> = {
  no_fragment: "The link was not copied whole.",
  fragment: "This is no link to a share.",
  version: "The link needs a newer version of p2pshare.",
  length: "The link was not copied whole.",
  encoding: "The link holds a character that no link has.",
};

/** One sentence for everything that can go wrong. */
export function failureText(reason: FailureReason): string {
  switch (reason.t) {
    case "pairing":
      return PAIRING[reason.code];
    case "transfer":
      return transferText(reason.reason);
    case "refused":
      return REFUSED[reason.code];
    case "server":
      return "The server cannot be reached.";
    case "peer_left":
      return reason.why === "timed_out" || reason.why === "bad_proof"
        ? "The other side did not answer in time."
        : "The sender has left.";
    case "no_path":
      return "The two devices found no way to each other. Put both on the same network, or use a server with a relay.";
    case "lost":
      return "The connection was lost.";
    case "bind_mismatch":
      return "Stopped: the connection does not end at the device that you paired with.";
    case "bind_missing":
      return "The other side did not prove that the connection is its own.";
    case "disk":
      return reason.detail.startsWith("QuotaExceeded")
        ? "The browser has no more room."
        : "The browser could not store what arrived.";
    case "code_spent":
      return "Somebody may be guessing this code. Ask for a new one.";
    case "stopped":
      return "Stopped.";
    case "internal":
      return "Something went wrong in this page.";
  }
}

const PAIRING: Record<Extract<FailureReason, { t: "pairing" }>["code"], string> = {
  wrong_code: "Wrong code. Check the last digits.",
  not_active: "This code is no longer active. Ask for a new one.",
  peer_not_verified: "The sender could not be verified. Ask for a new code if this repeats.",
  host_key_mismatch: "Stopped: this is not the device that the link was made on.",
  security_mismatch: "Stopped: the other side did not keep to what it committed to.",
  password_wrong: "Wrong password.",
  password_locked: "Too many wrong passwords. The sender has to allow more.",
  short_number_rejected: "Stopped: the two sides showed different numbers.",
  protocol_violation: "Stopped: the other side broke the rules of the connection.",
  version: "The other side has another version of p2pshare.",
  canceled: "The other side stopped.",
  timed_out: "The other side did not answer in time.",
  local_description: "This browser described its connection in a way that no device understands.",
};

const REFUSED: Record<Extract<FailureReason, { t: "refused" }>["code"], string> = {
  not_active: "This share is not active.",
  busy: "The share is busy. Try again in a moment.",
  rate_limited: "Too many tries from here. Wait a minute.",
  version: "The server has another version of p2pshare.",
  server_full: "The server is full. Try again later.",
  taken: "The server gave this place to somebody else.",
  no_relay: "The server has no relay.",
  no_nearby: "The server cannot tell which devices are on one network.",
  protocol: "The server did not understand this page.",
};

function transferText(reason: TransferErrorReason): string {
  switch (reason.t) {
    case "violation":
      return "Stopped: the other side broke the rules of the transfer.";
    case "version":
      return "The other side has another version of p2pshare.";
    case "same_role":
      return reason.role === "sends" ? "Both sides want to send." : "Both sides want to receive.";
    case "declined":
      return reason.reason === "disk" ? "The other side has no room for it." : "The other side declined.";
    case "aborted":
      return reason.code === "disk" ? "The other side could not store it." : "The other side stopped the transfer.";
    case "stopped":
      return reason.code === "disk" ? "This browser could not store it." : "Stopped.";
    case "silent":
    case "stalled":
      return "The other side does not answer any more.";
    case "corrupt":
      return "Stopped: what arrived is not what was sent.";
  }
}

/** `1.4 MB`: decimal units, as file managers and networks count. */
export function size(bytes: number): string {
  if (bytes < 1000) return `${Math.round(bytes)} B`;
  const unit = Math.min(5, Math.floor(Math.log10(bytes) / 3));
  const value = bytes / 1000 ** unit;
  return `${value < 10 ? value.toFixed(1) : Math.round(value)} ${["B", "kB", "MB", "GB", "TB", "PB"][unit] ?? ""}`;
}

/** `2 min`, `1 h 5 min`. */
export function duration(seconds: number): string {
  const rounded = Math.max(1, Math.ceil(seconds));
  if (rounded < 60) return `${rounded} s`;
  const minutes = Math.round(rounded / 60);
  return minutes < 60 ? `${minutes} min` : `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
}
