// Places that many share: at most so many in all, and of these so many for each network. Knows not what they are for.

export interface Places {
  /** Takes one for a network; false where all are taken, or all that one network may have. */
  take(network: string): boolean;
  giveBack(network: string): void;
  /** How many are taken. */
  taken(): number;
}

/** `max` places, of which one network may have `share`. */
export function createPlaces(max: number, share: number): Places {
  const byNetwork = new Map<string, number>();
  let taken = 0;
  return {
    take(network) {
      const own = byNetwork.get(network) ?? 0;
      if (taken >= max || own >= share) return false;
      taken++;
      byNetwork.set(network, own + 1);
      return true;
    },
    giveBack(network) {
      const own = byNetwork.get(network) ?? 0;
      if (own === 0) return;
      taken--;
      if (own === 1) byNetwork.delete(network);
      else byNetwork.set(network, own - 1);
    },
    taken: () => taken,
  };
}
