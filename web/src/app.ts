// What a person can do, and what follows from it. Keeps the state; draws nothing.

import { Disk } from "./disk/disk.ts";
import type { StoreKind } from "./disk/messages.ts";
import { Failure, type FailureReason } from "./failure.ts";
import { measure } from "./net/probe.ts";
import { random } from "./net/random.ts";
import { parseCode } from "./protocol/code.ts";
import { parseFragment } from "./protocol/link.ts";
import { DEFAULT_COST, preparePassword } from "./protocol/password.ts";
import { isSameSecret, type Invitation } from "./protocol/pairing/secret.ts";
import { CodeGuard } from "./protocol/share_guard.ts";
import { hearDirection, Joining } from "./session/joining.ts";
import { Download } from "./download.ts";
import { Upload } from "./upload.ts";
import { addItems, itemOfFile, itemOfText, itemsOfDrop, Source, type Item } from "./session/source.ts";
import { Share } from "./share.ts";
import type { Screen, ShareSettings, State, Theme } from "./state.ts";
import { forget, remember } from "./kept.ts";
import { Neighbours } from "./neighbours.ts";
import { Questions } from "./questions.ts";
import type { Line } from "./session/line.ts";
import type { Device } from "./protocol/nearby.ts";
import { keepAwake } from "./ui/wake.ts";
import { findings, verdict } from "./verdict.ts";

const HOME: Screen = { t: "home", codeError: undefined, nameplate: "" };

export class App {
  #state: State;
  readonly #draw: (state: State) => void;
  readonly #disk = new Disk();
  /** The invitation in use, for another try. */
  #secret: Invitation | undefined;
  #guard: { readonly secret: Invitation; readonly guard: CodeGuard } | undefined;
  #joining: Joining | undefined;
  #download: Download | undefined;
  #upload: Upload | undefined;
  #share: Share | undefined;
  readonly neighbours = new Neighbours(this, (line) => this.#letIn(line));
  /** The device that was found by its name alone. */
  #encounter: Device | undefined;
  readonly #questions = new Questions(this, this.#disk);

  constructor(state: State, draw: (state: State) => void) {
    this.#state = state;
    this.#draw = draw;
    void this.#disk.ask({ t: "sweep" }).catch(() => undefined);
    addEventListener("beforeunload", (event) => {
      if (this.isBusy) event.preventDefault();
    });
  }

  get state(): State {
    return this.#state;
  }

  /** Whether closing the page would end something that is under way. */
  get isBusy(): boolean {
    const { screen } = this.#state;
    if (screen.t === "share") return screen.guests.some((guest) => guest.stage === "moving");
    return screen.t === "receiving" || screen.t === "sending";
  }

  update(change: Partial<State>): void {
    this.#state = { ...this.#state, ...change };
    keepAwake(this.isBusy);
    this.#draw(this.#state);
    this.neighbours.follow(isAtStart(this.#state.screen));
  }

  show(screen: Screen): void {
    this.update({ screen });
  }

  fail(reason: FailureReason): void {
    const isFinal = reason.t === "bind_mismatch" || (reason.t === "pairing" && FINAL.has(reason.code));
    this.show({ t: "failed", reason, canRetry: this.#secret !== undefined && !isFinal });
  }

  setTheme(theme: Theme): void {
    try {
      localStorage.setItem("theme", theme);
    } catch {
      // A browser that keeps nothing forgets the theme.
    }
    this.update({ theme });
  }

  /** Back to the start; whatever is under way ends. */
  home(): void {
    this.#joining?.stop();
    this.#download?.stop();
    this.#upload?.stop();
    this.#share?.stop();
    this.#joining = this.#download = this.#upload = this.#share = undefined;
    this.#secret = this.#encounter = undefined;
    forget();
    if (location.pathname !== "/") history.replaceState(null, "", "/");
    this.update({ screen: HOME, items: [], target: undefined });
  }

  // ---- Receiving

  /** Follows what stands behind the `#` of the address. */
  openFragment(fragment: string): void {
    const parsed = parseFragment(fragment);
    if ("error" in parsed) {
      this.show({ t: "bad_link", error: parsed.error });
      return;
    }
    remember(fragment);
    void this.join({ t: "link", link: parsed.link });
  }

  enterCode(text: string): void {
    const parsed = parseCode(text);
    if ("error" in parsed) {
      const nameplate = this.#state.screen.t === "home" ? this.#state.screen.nameplate : "";
      this.show({ t: "home", codeError: parsed.error, nameplate });
    } else {
      void this.join({ t: "code", code: parsed.code });
    }
  }

  retry(): void {
    if (this.#secret) void this.join(this.#secret);
  }

  async join(secret: Invitation): Promise<void> {
    this.#secret = secret;
    const guard = this.#guardOf(secret);
    if (!guard.mayTry) {
      this.fail({ t: "code_spent" });
      return;
    }
    const joining = new Joining(secret, {
      step: (step) => this.show({ t: "joining", step }),
      askPassword: (left, salt, cost) => this.#questions.password(left, salt, cost),
      confirm: (digits, _, met) => this.#questions.number(digits, this.#encounter?.name, met),
    }, this.#encounter && { name: this.#state.visibility.name, device: this.neighbours.acquaintances.identity });
    this.#joining = joining;
    try {
      const line = await joining.run();
      if (this.#encounter) this.neighbours.remember();
      const direction = await hearDirection(line);
      if (this.#joining !== joining) {
        line.close();
        return;
      }
      if (direction === "sends") {
        this.#download = new Download(line, this.#disk, this);
        this.#download.start();
      } else {
        this.#upload = new Upload(line, this.#disk, this);
        this.#upload.start();
        if (this.#encounter) this.sendToInbox();
      }
    } catch (error) {
      guard.failed(joining.isExposed);
      if (this.#joining === joining) this.fail(reasonOf(error));
    }
  }

  #guardOf(secret: Invitation): CodeGuard {
    if (!this.#guard || !isSameSecret(this.#guard.secret, secret)) this.#guard = { secret, guard: new CodeGuard() };
    return this.#guard.guard;
  }

  givePassword(password: string): void {
    this.#questions.givePassword(password);
  }

  /** Whether the device whose number is on screen is to be remembered. */
  tickRemember(remember: boolean): void {
    this.#questions.tickRemember(remember);
  }

  /** Says whether both sides show the same number: of the own pairing, or of a guest's. */
  answerNumber(same: boolean): void {
    if (this.#state.screen.t === "share") this.#share?.answerNumber(same);
    else this.#questions.answerNumber(same);
  }

  choose(entry: number | "all", isChosen: boolean): void {
    this.#download?.choose(entry, isChosen);
  }

  accept(intoFolder: boolean): void {
    void this.#download?.accept(intoFolder);
  }

  decline(): void {
    this.#download?.decline();
    this.home();
  }

  pause(paused: boolean): void {
    this.#download?.pause(paused);
    this.#upload?.pause(paused);
  }

  save(entry: number | "all"): void {
    this.#download?.save(entry);
  }

  // ---- Sending

  addFiles(files: Iterable<File>): void {
    this.addItems([...files].map((file) => itemOfFile(file)));
  }

  addText(text: string): void {
    if (text !== "") this.addItems([itemOfText(text)]);
  }

  async addDrop(transfer: DataTransfer): Promise<void> {
    this.addItems(await itemsOfDrop(transfer));
  }

  addItems(items: readonly Item[]): void {
    const { t } = this.#state.screen;
    const items_ = addItems(this.#state.items, items);
    if (t === "home" || t === "nearby" || t === "inbox") this.update({ items: items_ });
    if (isAtStart(this.#state.screen) && this.#state.target && items.length > 0) this.sendTo(this.#state.target);
    else if (t === "failed" || t === "received" || t === "sent" || t === "bad_link") {
      this.home();
      this.update({ items: items_ });
    }
  }

  /** Takes what was chosen back: everything at a top-level name. */
  removeItem(top: string): void {
    this.update({ items: this.#state.items.filter((item) => item.path[0] !== top) });
  }

  clearItems(): void {
    this.update({ items: [] });
  }

  set(change: Partial<ShareSettings>): void {
    this.update({ settings: { ...this.#state.settings, ...change } });
  }

  /** Opens a share of what was chosen. */
  async share(): Promise<void> {
    const { items, settings } = this.#state;
    const share = new Share(new Source(items), this.#disk, this);
    this.#share = share;
    const hasPassword = settings.password !== "";
    this.show({
      t: "share",
      code: "",
      link: "",
      guests: [],
      isOnline: true,
      notice: undefined,
      digits: undefined,
      hasPassword,
      copied: undefined,
    });
    const prepared = preparePassword(settings.password);
    const password =
      hasPassword && "prepared" in prepared
        ? await this.#disk.ask({ t: "stretch", prepared: prepared.prepared, salt: random(16), cost: DEFAULT_COST })
        : undefined;
    await share.start({ password, max: settings.many ? undefined : 1, verify: settings.verify });
  }

  unlockPassword(): void {
    this.#share?.unlockPassword();
  }

  /** Sends what was chosen to an inbox. */
  sendToInbox(): void {
    this.#upload?.send(new Source(this.#state.items));
    this.update({ items: [] });
  }

  // ---- Nearby

  /** The screen of the devices around; what was chosen stays chosen. */
  lookAround(): void {
    if (location.pathname !== "/nearby") history.replaceState(null, "", "/nearby");
    this.show({ t: "nearby" });
  }

  /** Sends what was chosen to a device of this network; what there is to send is chosen first. */
  sendTo(device: Device): void {
    const parsed = parseFragment(device.link);
    if ("error" in parsed) return;
    if (this.#state.items.length === 0) {
      this.aim(device);
      return;
    }
    this.#encounter = device;
    void this.join({ t: "link", link: parsed.link });
  }

  /** What is chosen next is for this device; or for nobody in particular. */
  aim(target: Device | undefined): void {
    this.update({ target });
  }

  /** Somebody of this network was let in, and now says what there is. */
  #letIn(line: Line): void {
    this.show({ t: "joining", step: "connecting" });
    this.#download = new Download(line, this.#disk, this);
    this.#download.start();
  }

  copied(what: "link" | "code"): void {
    const { screen } = this.#state;
    if (screen.t === "share") this.show({ ...screen, copied: what });
  }

  // ---- The network

  /** Tests this network and shows what was found out. */
  async testNetwork(): Promise<void> {
    this.show({ t: "test", result: undefined, isCopied: false });
    const [measured, store] = await Promise.all([measure(), storeFor(this.#disk, MEMORY_MAX + 1)]);
    const result = { verdict: verdict(measured), findings: findings(measured, { isSecure: isSecureContext, store }) };
    if (this.#state.screen.t === "test") this.show({ t: "test", result, isCopied: false });
  }

  copiedReport(): void {
    const { screen } = this.#state;
    if (screen.t === "test") this.show({ ...screen, isCopied: true });
  }

  /** A transfer reached its end, so that nothing is left to go back to. */
  finished(): void {
    this.#secret = undefined;
    forget();
  }
}

/** Whether things are chosen and devices looked for. */
function isAtStart({ t }: Screen): boolean {
  return t === "home" || t === "nearby";
}

export function reasonOf(error: unknown): FailureReason {
  if (error instanceof Failure) return error.reason;
  return { t: "internal", detail: error instanceof Error ? `${error.name}: ${error.message}` : String(error) };
}

/** Where received bytes are to lie until they are saved. */
export async function storeFor(disk: Disk, bytes: number): Promise<StoreKind> {
  if (bytes <= MEMORY_MAX) return "memory";
  const { opfs, idb } = await disk.ask({ t: "probe" });
  return opfs ? "opfs" : idb ? "idb" : "memory";
}

/** After these the same invitation must not be tried again. */
const FINAL: ReadonlySet<string> = new Set([
  "host_key_mismatch",
  "security_mismatch",
  "short_number_rejected",
  "not_active",
  "password_locked",
]);

/** The most that is kept in memory while it arrives: phones have little. */
const MEMORY_MAX = 32 * 1024 * 1024;
