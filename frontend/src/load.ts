// Loading a document for a component.

import { useEffect, useRef, useState } from "preact/hooks";
import { NotThere, source } from "./data";

export interface Loaded<T> {
  value?: T;
  error?: string;
  absent?: boolean;
}

export function useJson<T>(path: string | null): Loaded<T> {
  const [state, set] = useState<Loaded<T> & { path?: string | null }>({});
  useEffect(() => {
    if (path === null) return;
    let wanted = true;
    const load = async () => source.json<T>(path);
    load().then(
      (value) => wanted && set({ value, path }),
      (error: Error) =>
        wanted && set({ error: error.message, absent: error instanceof NotThere, path }),
    );
    return () => {
      wanted = false;
    };
  }, [path]);
  return state.path === path ? state : {};
}

/** Whether nothing newer was begun since. */
export type IsNewest = () => boolean;

/** Begins something whose answer may come late: an answer to what is no longer the newest is dropped. */
export function useNewest(): () => IsNewest {
  const last = useRef(0);
  useEffect(() => () => void last.current++, []);
  return () => {
    const mine = ++last.current;
    return () => mine === last.current;
  };
}
