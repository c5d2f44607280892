// Loading a document for a component.

import { useEffect, useState } from "preact/hooks";
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
