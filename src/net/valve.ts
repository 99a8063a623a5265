// Stops and goes on with reading a stream of the library's. Its own resume() hands over what was held back and then asks
// the other end for a whole new window, whatever was said in between: a pause that fell into it was forgotten, and a
// peer above its rate read at the speed of the wire until a buffer broke.

/** As much of a stream as is needed here. */
export interface Pausable {
  readonly readStatus: string;
  pause(): void;
  resume(): void;
}

export interface Valve {
  pause(): void;
  resume(): void;
}

/** The valve of `stream`; on one that has ended it does nothing. */
export function createValve(stream: Pausable): Valve {
  let resuming = false;
  let shut = false;
  function whileOpen(act: () => void): void {
    if (stream.readStatus !== "readable" && stream.readStatus !== "paused") return;
    try {
      act();
    } catch {
      // What it runs over has ended, and it was not told yet.
    }
  }
  return {
    pause() {
      shut = true;
      if (!resuming) whileOpen(() => stream.pause());
    },
    resume() {
      shut = false;
      if (resuming) return;
      resuming = true;
      whileOpen(() => stream.resume());
      resuming = false;
      if (shut) whileOpen(() => stream.pause());
    },
  };
}
