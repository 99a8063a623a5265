// Who may be behind an IP address: whoever pays for one IPv6 address has a whole network of them, so that what is counted
// by address is counted by network. Asks nobody, and knows no names.

const GROUPS = 8;
/** Groups that name the smallest network anybody gets (RFC 4291, 2.5.4), and one as large as a site gets (RFC 6177). */
const NETWORK_GROUPS = 4;
const SITE_GROUPS = 3;
/** Head of an IPv4 address as a listener of both families tells it (RFC 4291, 2.5.5.2). */
const MAPPED = "0:0:0:0:0:ffff";
const DOTTED = /^::(?:ffff:)?(\d+(?:\.\d+){3})$/i;

/** The eight groups of an IPv6 address, without leading zeros. */
function groupsOf(host: string): string[] {
  const [plain = ""] = host.split("%");
  const [head = [], tail = []] = plain.split("::").map((part) => part.split(":").filter(Boolean));
  const zeros: string[] = Array(Math.max(0, GROUPS - head.length - tail.length)).fill("0");
  return [...head, ...zeros, ...tail].map((group) => Number.parseInt(group, 16).toString(16));
}

/** The first `count` groups of an IPv6 address; an IPv4 address, mapped or not, itself, and a name too. */
function prefixOf(host: string, count: number): string {
  const plain = host.replace(/^\[(.*)\]$/, "$1");
  if (!plain.includes(":")) return plain;
  const dotted = DOTTED.exec(plain)?.[1];
  if (dotted !== undefined) return dotted;
  const groups = groupsOf(plain);
  if (groups.slice(0, -2).join(":") !== MAPPED) return groups.slice(0, count).join(":");
  return groups
    .slice(-2)
    .flatMap((group) => [Number.parseInt(group, 16) >> 8, Number.parseInt(group, 16) & 0xff])
    .join(".");
}

/** What stands for whoever is behind an IP address: an IPv4 address itself, of an IPv6 address its /64 network. */
export function networkOf(host: string): string {
  return prefixOf(host, NETWORK_GROUPS);
}

/** The same with the largest network that one subscriber commonly gets: of an IPv6 address its /48. */
export function siteOf(host: string): string {
  return prefixOf(host, SITE_GROUPS);
}
