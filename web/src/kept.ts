// The share that a tab is at: a reload shall find it again although the address no longer names it.

export function remember(fragment: string): void {
  try {
    sessionStorage.setItem("share", fragment);
  } catch {
    // A browser that keeps nothing has to be given the link again.
  }
}

export function recall(): string | undefined {
  try {
    return sessionStorage.getItem("share") ?? undefined;
  } catch {
    return undefined;
  }
}

export function forget(): void {
  try {
    sessionStorage.removeItem("share");
  } catch {
    // Nothing was kept.
  }
}
