// The frame of all pages: where one is, where one can go, light or dark.

import { Component, render, type ComponentChildren } from "preact";
import { useEffect } from "preact/hooks";
import "./style.css";
import { source } from "./data";
import { useJson } from "./load";
import { MapPage } from "./map/page";
import { ChangesPage } from "./pages/changes";
import { ClustersPage } from "./pages/clusters";
import { HealthPage } from "./pages/health";
import { ModelsPage } from "./pages/models";
import { PicturesPage } from "./pages/pictures";
import { ReviewPage } from "./review/page";
import { link, useRoute } from "./route";
import { type Theme, useTheme } from "./theme";
import type { About } from "./types";
import { Empty, Shown, Trouble } from "./ui";

const PAGES = [
  ["health", "Health"],
  ["map", "Map"],
  ["clusters", "Clusters"],
  ["models", "Models"],
  ["pictures", "Pictures"],
  ["changes", "Changes"],
  ["review", "Review"],
] as const;
/** Pages that only some collections have. */
const OFFERED: string[] = ["review", "changes"];
const NEXT: Record<Theme, Theme> = { system: "light", light: "dark", dark: "system" };

function App() {
  const route = useRoute();
  const about = useJson<About>("about");
  const [theme, setTheme] = useTheme();
  useEffect(() => {
    const title = PAGES.find(([page]) => page === route.page)?.[1] ?? "Health";
    document.title = `${title} · ${about.value?.collection ?? ""} · naturalist`;
  }, [route.page, about.value]);
  return (
    <>
      <a class="skip" href="#main" onClick={(e) => { e.preventDefault(); document.getElementById("main")?.focus(); }}>
        To the content
      </a>
      <header class="top">
        <span class="brand">
          naturalist <b>{about.value?.collection}</b>
          {about.value?.snapshot && <small> snapshot {about.value.snapshot}</small>}
        </span>
        <nav aria-label="Pages">
          {PAGES.filter(([page]) => route.page === page || !OFFERED.includes(page) || about.value?.[page as "review" | "changes"]).map(([page, title]) => (
            <a href={link(page)} aria-current={route.page === page ? "page" : undefined}>
              {title}
            </a>
          ))}
        </nav>
        <button class="plain theme" onClick={() => setTheme(NEXT[theme])}>
          {{ system: "Theme: system", light: "Theme: light", dark: "Theme: dark" }[theme]}
        </button>
      </header>
      <main id="main" tabIndex={-1}>
        <Shown of={about}>
          {(found) => (
            <Boundary key={route.page}>
              <Page page={route.page} query={route.query} about={found} />
            </Boundary>
          )}
        </Shown>
        {source.exported && route.page !== "map" && <p class="note foot">An exported copy: it does not change.</p>}
      </main>
    </>
  );
}

function Page(props: { page: string; query: Record<string, string>; about: About }) {
  switch (props.page) {
    case "health":
      return <HealthPage about={props.about} />;
    case "map":
      return <MapPage {...props} />;
    case "clusters":
      return <ClustersPage {...props} />;
    case "models":
      return <ModelsPage />;
    case "pictures":
      return <PicturesPage {...props} />;
    case "changes":
      return <ChangesPage {...props} />;
    case "review":
      return <ReviewPage {...props} />;
    default:
      return (
        <div class="page">
          <Empty what="There is no such page." />
        </div>
      );
  }
}

/** A page that cannot be drawn says so, and leaves the others usable. */
class Boundary extends Component<{ children: ComponentChildren }, { error: string }> {
  state = { error: "" };

  componentDidCatch(error: Error): void {
    this.setState({ error: error.message });
  }

  render() {
    return this.state.error ? <Trouble text={`This page cannot be shown: ${this.state.error}`} /> : <>{this.props.children}</>;
  }
}

const root = document.getElementById("app");
if (root) {
  root.textContent = "";
  render(<App />, root);
}
