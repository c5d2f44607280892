// Decisions on their way to the server, one after another. Each is tried again, under the same
// name, until the server has answered: a server that was killed after writing it down but before
// answering gives the same answer again and writes nothing twice.

import { useEffect, useState } from "preact/hooks";
import { type Answer, ask, newRequest, Unreachable } from "./client";

const AGAIN_MS = 1500;

interface Sent {
  path: string;
  /** Made when it is first sent: what comes before it may change what it says. */
  body: () => object;
  made?: object;
  done: (answer: Answer) => void;
  failed: (error: Error) => void;
}

export interface OutboxState {
  waiting: number;
  unreachable: boolean;
}

class Outbox {
  private sent: Sent[] = [];
  private busy = false;
  private unreachable = false;
  private listeners = new Set<(state: OutboxState) => void>();

  constructor() {
    addEventListener("beforeunload", (event) => {
      if (this.sent.length) event.preventDefault();
    });
  }

  get state(): OutboxState {
    return { waiting: this.sent.length, unreachable: this.unreachable };
  }

  listen(hear: (state: OutboxState) => void): () => void {
    this.listeners.add(hear);
    return () => this.listeners.delete(hear);
  }

  put(path: string, body: () => object): Promise<Answer> {
    return new Promise((done, failed) => {
      this.sent.push({ path, body, done, failed });
      this.tell();
      void this.work();
    });
  }

  private tell(): void {
    for (const hear of this.listeners) hear(this.state);
  }

  private async work(): Promise<void> {
    if (this.busy) return;
    this.busy = true;
    while (this.sent.length) {
      const one = this.sent[0];
      try {
        one.made ??= { request: newRequest(), ...one.body() };
        const answer = await ask<Answer>(one.path, one.made);
        this.unreachable = false;
        this.sent.shift();
        one.done(answer);
      } catch (error) {
        if (error instanceof Unreachable) {
          this.unreachable = true;
          this.tell();
          await new Promise((go) => setTimeout(go, AGAIN_MS));
          continue;
        }
        this.unreachable = false;
        this.sent.shift();
        one.failed(error as Error);
      }
      this.tell();
    }
    this.busy = false;
  }
}

export const outbox = new Outbox();

export function useOutbox(): OutboxState {
  const [state, set] = useState(outbox.state);
  useEffect(() => {
    const stop = outbox.listen((next) => set({ ...next }));
    return () => void stop();
  }, []);
  return state;
}
