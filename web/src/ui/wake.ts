// Keeps the screen on while something moves, where the browser lets a page do that.

let lock: WakeLockSentinel | undefined;
let isWanted = false;

export function keepAwake(isBusy: boolean): void {
  if (isBusy === isWanted) return;
  isWanted = isBusy;
  if (isBusy) void hold();
  else void lock?.release().catch(() => undefined);
}

async function hold(): Promise<void> {
  if (!("wakeLock" in navigator) || document.visibilityState !== "visible") return;
  try {
    lock = await navigator.wakeLock.request("screen");
  } catch {
    // A low battery: the transfer goes on, the screen may not.
  }
}

// A hidden page loses the lock.
document.addEventListener("visibilitychange", () => {
  if (isWanted && document.visibilityState === "visible") void hold();
});
