// Light or dark: what the system says, unless a person chose.

import { useEffect, useLayoutEffect, useState } from "preact/hooks";

export type Theme = "system" | "light" | "dark";
const KEY = "naturalist-theme";

function stored(): Theme {
  try {
    const found = localStorage.getItem(KEY);
    return found === "light" || found === "dark" ? found : "system";
  } catch {
    return "system";
  }
}

export function apply(theme: Theme): void {
  if (theme === "system") delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = theme;
  try {
    localStorage.setItem(KEY, theme);
  } catch {
    // A page opened from a file may not remember; it still changes.
  }
  dispatchEvent(new Event("themechange"));
}

export function useTheme(): [Theme, (theme: Theme) => void] {
  const [theme, set] = useState<Theme>(stored);
  useLayoutEffect(() => apply(theme), [theme]);
  return [theme, set];
}

/** The background of the page as red, green and blue from 0 to 1, for drawing on a canvas. */
export function useBackground(): [number, number, number] {
  const [found, set] = useState(read);
  useEffect(() => {
    const changed = () => set(read());
    const system = matchMedia("(prefers-color-scheme: dark)");
    system.addEventListener("change", changed);
    addEventListener("themechange", changed);
    changed();
    return () => {
      system.removeEventListener("change", changed);
      removeEventListener("themechange", changed);
    };
  }, []);
  return found;
}

function read(): [number, number, number] {
  const parts = getComputedStyle(document.body).backgroundColor.match(/[\d.]+/g)?.map(Number);
  return parts && parts.length >= 3 ? [parts[0] / 255, parts[1] / 255, parts[2] / 255] : [1, 1, 1];
}
