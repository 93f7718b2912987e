// What the page says to its service worker, and the two ends of a download to each other.

export type SaverRequest =
  /** The next request for this path is a download of this name, whose bytes come through the port. */
  | { readonly t: "save"; readonly path: string; readonly name: string; readonly size: number | undefined; readonly port: MessagePort }
  | { readonly t: "alive" };

/** What the service worker says through the port: it waits, the browser has room for a piece, the person wants no more. */
export type SaverSays = "ready" | "pull" | "cancel";
