// Who created the share and who joined it. Independent of who sends and who receives.

export type Role = "host" | "guest";

export function peerOf(role: Role): Role {
  return role === "host" ? "guest" : "host";
}
