// The address behind the #: which page, and what is chosen on it, so that a view can be sent on.

import { useEffect, useState } from "preact/hooks";

export interface Route {
  page: string;
  query: Record<string, string>;
}

export function parse(hash: string): Route {
  const [path, search = ""] = hash.replace(/^#\/?/, "").split("?", 2);
  return { page: path || "health", query: Object.fromEntries(new URLSearchParams(search)) };
}

export function link(page: string, query: Record<string, string | undefined> = {}): string {
  const kept = Object.entries(query).filter((pair): pair is [string, string] => !!pair[1]);
  const search = new URLSearchParams(kept).toString();
  return `#/${page}${search ? `?${search}` : ""}`;
}

/** Change the address without leaving the page or filling the history. */
export function remember(page: string, query: Record<string, string | undefined>): void {
  const next = link(page, query);
  if (next !== location.hash) history.replaceState(null, "", next);
}

export function useRoute(): Route {
  const [route, set] = useState(() => parse(location.hash));
  useEffect(() => {
    const changed = () => set(parse(location.hash));
    addEventListener("hashchange", changed);
    return () => removeEventListener("hashchange", changed);
  }, []);
  return route;
}
