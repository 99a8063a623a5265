// A typed list of callbacks. For telling others what happened; never for deciding what happens next.

export interface Listeners<T> {
  /** Adds a callback; the result removes it. */
  add(listener: (value: T) => void): () => void;
  /** Calls every callback in the order of adding. One that throws is reported and does not stop the others. */
  emit(value: T): void;
  readonly size: number;
}

/** An empty list. `report` gets what a callback throws. */
export function createListeners<T>(report: (error: unknown) => void): Listeners<T> {
  const listeners = new Set<{ readonly call: (value: T) => void }>();
  return {
    add(call) {
      const entry = { call };
      listeners.add(entry);
      return () => {
        listeners.delete(entry);
      };
    },
    emit(value) {
      for (const { call } of [...listeners]) {
        try {
          call(value);
        } catch (error) {
          report(error);
        }
      }
    },
    get size() {
      return listeners.size;
    },
  };
}
