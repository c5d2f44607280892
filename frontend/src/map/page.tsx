// The map: all points at once, and everything that is asked of them.

import { useCallback, useEffect, useLayoutEffect, useMemo, useRef, useState } from "preact/hooks";
import { tellSelection } from "../data";
import { OwnPicture, useDropped } from "../dropped";
import { many } from "../format";
import { type IsNewest, useNewest } from "../load";
import { paletteOf } from "../palette";
import { remember } from "../route";
import { useBackground } from "../theme";
import type { About } from "../types";
import { Empty, leftOut, Notice, Select, Trouble } from "../ui";
import { type Filter, type Sifted, Atlas, NOTHING, readFilters, writeFilters } from "./atlas";
import { Detail, Strip } from "./detail";
import { Filters, firstCharts } from "./filters";
import { Integrity } from "./integrity";
import { type Hover, HoverCard, point } from "./hover";
import { anchorsOf, groupNames, regionNames, type Name } from "./names";
import { namedBy, namings, regionsOf } from "./naming";
import type { Polygon } from "./picking";
import { Search } from "./search";
import { SelectedPictures } from "./selection";
import { Stage, type Tool } from "./stage";
import { Views } from "./views";

/** What the camera is to show, once what opens beside the map is there. */
interface Aim {
  rows: number[];
  how: "visit" | "reveal" | "uncover";
}

/** On so narrow a screen only one panel is open. */
const NARROW = 720;

export function MapPage(props: { query: Record<string, string>; about: About }) {
  const { maps } = props.about;
  if (!maps.length) {
    return (
      <div class="page">
        <h1>Map</h1>
        <Empty what="There is no map of this collection yet." command="naturalist map" />
      </div>
    );
  }
  const name = maps.includes(props.query.m) ? props.query.m : maps[0];
  return <Explorer key={name} name={name} {...props} />;
}

function Explorer(props: { name: string; query: Record<string, string>; about: About }) {
  const { name, about, query } = props;
  const canvas = useRef<HTMLCanvasElement>(null);
  const root = useRef<HTMLDivElement>(null);
  const stage = useRef<Stage | null>(null);
  const [atlas, setAtlas] = useState<Atlas | null>(null);
  const [trouble, setTrouble] = useState("");
  const [uncoloured, setUncoloured] = useState("");
  const [colour, setColour] = useState(query.c || "category");
  const [filters, setFilters] = useState<Filter[]>(() => readFilters(query.f));
  const [charts, setCharts] = useState<string[] | null>(() => readCharts(query.h));
  const [sifted, setSifted] = useState<Sifted>(NOTHING);
  const mask = sifted.shown;
  const [chosen, setChosen] = useState<number[]>([]);
  const [chosenBy, setChosenBy] = useState("");
  const [picture, setPicture] = useState(query.p ?? "");
  const [hover, setHover] = useState<Hover | null>(null);
  const [tool, setTool] = useState<Tool>("pan");
  const [naming, setNaming] = useState(query.n ?? "");
  const [names, setNames] = useState<Name[]>([]);
  const [outline, setOutline] = useState<Polygon>([]);
  const [drawn, setDrawn] = useState(0);
  const [ring, setRing] = useState<{ x: number; y: number } | null>(null);
  const [notice, setNotice] = useState("");
  const [aim, setAim] = useState<Aim | null>(null);
  /** Whether what the filters let through was searched for, and is to be seen. */
  const searched = useRef(false);
  const searchedColumn = useRef("");
  const [pictures, setPictures] = useState(query.i !== "0");
  const [open, setOpen] = useState(() => innerWidth > NARROW);
  const focus = useRef(-1);
  const view = useRef(query.v ?? "");
  const background = useBackground();
  /** A search, a drop, a lasso: what was begun last says what is chosen, whenever its answer comes. */
  const begin = useNewest();
  const beginShow = useNewest();
  const own = useDropped(about, begin);
  const ownAt = useRef<number[] | null>(null);
  const [ownSpot, setOwnSpot] = useState<{ x: number; y: number } | null>(null);

  const place = useCallback(() => {
    setRing(stage.current?.place(focus.current) ?? null);
    setOwnSpot((ownAt.current && stage.current?.placeAt(ownAt.current)) ?? null);
  }, []);

  const keep = useCallback(() => {
    // Before the points are there, the camera is not the one that the address names.
    if (!stage.current || !atlas) return;
    view.current = stage.current.save();
    const state = { m: name, c: colour === "category" ? "" : colour, f: writeFilters(filters), h: writeCharts(charts), p: picture, i: pictures ? "" : "0", n: naming, v: view.current };
    remember("map", state);
  }, [atlas, name, colour, filters, charts, picture, pictures, naming]);

  const show = useCallback(
    async (id: string, visit: boolean) => {
      const isNewest = beginShow();
      setPicture(id);
      const row = atlas && id ? await atlas.rowOf(id) : -1;
      if (!isNewest()) return;
      focus.current = row;
      if (stage.current) {
        stage.current.focus = focus.current;
        stage.current.refresh();
      }
      if (focus.current >= 0) setAim({ rows: [focus.current], how: visit ? "visit" : "uncover" });
      place();
    },
    [atlas, place],
  );

  useLayoutEffect(() => {
    if (!aim || !stage.current) return;
    if (aim.how === "reveal") stage.current.reveal(aim.rows);
    else stage.current[aim.how](aim.rows[0]);
  }, [aim]);

  // What the stage calls must see the newest state without making a new stage.
  const handlers = useRef({ show, keep, place, atlas, chosen });
  handlers.current = { show, keep, place, atlas, chosen };

  useEffect(() => {
    if (!canvas.current) return;
    let made: Stage;
    try {
      made = new Stage(canvas.current, () => root.current?.querySelectorAll("[data-covers]") ?? [], {
        hover: (row, x, y) => void point(handlers.current.atlas, row, x, y, setHover),
        click: async (row) => {
          const held = handlers.current.atlas;
          const isNewest = begin();
          const id = row >= 0 && held ? await held.picId(row) : "";
          if (isNewest()) await handlers.current.show(id, false);
        },
        choose: (rows, more) => {
          begin();
          setChosen(more ? [...new Set([...handlers.current.chosen, ...rows])] : rows);
          setChosenBy("drawn on the map");
        },
        moved: () => {
          setHover(null);
          handlers.current.place();
          clearTimeout(later.current);
          later.current = window.setTimeout(() => handlers.current.keep(), 250);
        },
        resized: () => handlers.current.place(),
        outline: setOutline,
        named: (found) => setNames((held) => (JSON.stringify(held) === JSON.stringify(found) ? held : found)),
        drew: (points, shown) => {
          setDrawn(points);
          if (canvas.current) canvas.current.dataset.pictures = String(shown);
        },
      });
    } catch (error) {
      setTrouble((error as Error).message);
      return;
    }
    stage.current = made;
    let current = true;
    Atlas.load(name, about.categories.map((c) => c.name)).then(
      async (loaded) => {
        if (!current) return;
        made.show(loaded);
        // The panel of a picture that is not here never opens.
        if (query.p && (await loaded.rowOf(query.p)) < 0) setPicture("");
        if (current) setAtlas(loaded);
      },
      (error: Error) => current && setTrouble(error.message),
    );
    return () => {
      current = false;
      made.destroy();
      stage.current = null;
    };
  }, [name]);
  const later = useRef(0);

  useLayoutEffect(() => {
    if (stage.current) stage.current.tool = tool;
  }, [tool]);

  useEffect(() => {
    if (!stage.current) return;
    stage.current.pictures = pictures;
    stage.current.refresh();
  }, [pictures, atlas]);

  useEffect(() => {
    if (!atlas) return;
    // Clusters are finer than categories: a rare one shows by a picture of its own.
    atlas.codes(atlas.column("cluster") ? "cluster" : "category").then(
      (groups) => stage.current?.represent(groups),
      () => undefined,
    );
  }, [atlas]);

  useEffect(() => {
    if (!atlas) return;
    let current = true;
    atlas.sift(filters).then(
      (found) => {
        if (!current) return;
        setSifted(found);
        if (searched.current) stage.current?.revealAll(found.shown);
        searched.current = false;
      },
      (error: Error) => setTrouble(error.message),
    );
    return () => {
      current = false;
    };
  }, [atlas, filters]);

  useEffect(() => {
    if (!atlas || mask.length !== atlas.rows || !stage.current) return;
    let current = true;
    const column = atlas.column(colour) ? colour : "category";
    atlas.colours(column).then(
      (colours) => {
        if (!current || !stage.current) return;
        setUncoloured("");
        const shown = mask.slice();
        for (const row of chosen) if (shown[row]) shown[row] = 2;
        stage.current.renderer.setPalette(paletteOf(atlas.column(column)!.kind === "scale" ? "scale" : "code"));
        stage.current.renderer.background = background;
        stage.current.paint(colours, shown, chosen.length > 0);
      },
      (error: Error) => current && setUncoloured(error.message),
    );
    return () => {
      current = false;
    };
  }, [atlas, mask, colour, chosen, background]);

  useEffect(() => {
    if (!atlas || mask.length !== atlas.rows || !stage.current) return;
    const named = namedBy(atlas, colour, naming);
    if (named === "region" || named === "none") {
      stage.current.names = named === "none" ? () => [] : regionNames(atlas.positions, atlas.dims, regionsOf(atlas), mask);
      stage.current.draw();
      return;
    }
    let current = true;
    atlas.codes(named).then(
      (codes) => {
        if (!current || !stage.current) return;
        stage.current.names = groupNames(anchorsOf(atlas.positions, atlas.dims, codes, atlas.meaning(named)!.names, mask));
        stage.current.draw();
      },
      () => undefined,
    );
    return () => {
      current = false;
    };
  }, [atlas, mask, colour, naming]);

  useEffect(() => {
    if (!atlas || !about.selection) return;
    const rows = chosen.filter((row) => mask[row]);
    void atlas.picIds(rows).then(tellSelection).catch(() => undefined);
  }, [atlas, chosen, mask]);

  useEffect(keep, [keep]);

  /** Leave out of the address what this map does not have, and say so. */
  const understand = async (asked: Record<string, string>, isSeen = true) => {
    if (!atlas) return;
    const known = await atlas.understood(readFilters(asked.f));
    setFilters(known.filters);
    const missing = [...known.unknown];
    if (asked.c && !atlas.column(asked.c)) missing.push(`column ${asked.c}`);
    if (asked.m && asked.m !== name) missing.push(`map ${asked.m}`);
    if (!isSeen) missing.push(`view ${asked.v}`);
    const isThere = !asked.p || (await atlas.rowOf(asked.p)) >= 0;
    if (!isThere) missing.push(`picture ${asked.p}`);
    setNotice(leftOut(missing));
    if (asked.p || picture) void show(isThere ? (asked.p ?? "") : "", !asked.v || !isSeen);
  };

  // The camera of an address is that of the free part of the map: panels have to be there first.
  useLayoutEffect(() => {
    if (!atlas) return;
    void understand(query, stage.current?.restore(view.current));
  }, [atlas]);

  // Another address of this map was opened: a saved view, or one step back.
  const opened = useRef(query);
  useEffect(() => {
    if (opened.current === query) return;
    opened.current = query;
    setColour(query.c || "category");
    void understand(query, query.v || !query.p ? stage.current?.restore(query.v ?? "") : true);
    setCharts(readCharts(query.h));
    setPictures(query.i !== "0");
    setNaming(query.n ?? "");
    begin();
    setChosen([]);
  }, [query]);

  // A picture of one's own stands amid those that are most like it.
  useEffect(() => {
    let current = true;
    const look = async () => {
      const ids = own.dropped?.near.map((one) => one.pic_id) ?? [];
      const rows = atlas ? await Promise.all(ids.map((id) => atlas.rowOf(id))) : [];
      const known = rows.filter((row) => row >= 0);
      if (!current) return;
      ownAt.current = atlas && known.length ? amid(known.slice(0, AMID).map((row) => atlas.at(row))) : null;
      place();
      if (!known.length) return;
      await choose(known, `nearest to ${own.dropped!.name}`, begin());
    };
    void look();
    return () => {
      current = false;
    };
  }, [own.dropped, atlas]);

  const keys = (e: KeyboardEvent) => {
    const at = stage.current;
    if (!at || !atlas) return;
    const moves: Record<string, () => void> = {
      ArrowLeft: () => at.pan(40, 0),
      ArrowRight: () => at.pan(-40, 0),
      ArrowUp: () => at.pan(0, 40),
      ArrowDown: () => at.pan(0, -40),
      "+": () => at.zoom(1.25),
      "=": () => at.zoom(1.25),
      "-": () => at.zoom(0.8),
      "0": () => at.all(),
      p: () => setTool("pan"),
      l: () => setTool("lasso"),
      b: () => setTool("box"),
      i: () => setPictures(!pictures),
      Enter: async () => {
        const { width, height } = at.screen();
        const row = at.pick(width / 2, height / 2, Math.max(width, height));
        if (row >= 0) await show(await atlas.picId(row), false);
      },
      Escape: () => {
        begin();
        setChosen([]);
        void show("", false);
      },
    };
    const move = moves[e.key];
    if (!move || e.ctrlKey || e.metaKey || e.altKey) return;
    e.preventDefault();
    move();
  };

  /** What was found is shown: filters that would hide it are taken off. */
  const lift = async (rows: number[], isNewest: IsNewest) => {
    if (!atlas || !filters.length || rows.every((row) => row < 0 || mask[row])) return;
    const kept: Filter[] = [];
    for (const filter of filters) {
      const { shown } = await atlas.sift([filter]);
      if (rows.every((row) => row < 0 || shown[row])) kept.push(filter);
    }
    if (!isNewest()) return;
    setFilters(kept);
    setNotice("A filter that hid what you asked for was taken off.");
  };

  /** Choose what was found, and show all of it beside what lies on the map. */
  const choose = async (rows: number[], by: string, isNewest: IsNewest) => {
    await lift(rows, isNewest);
    if (!isNewest()) return;
    setChosen(rows);
    setChosenBy(by);
    if (innerWidth <= NARROW) setOpen(false);
    if (rows.length) setAim({ rows, how: "reveal" });
  };

  const find = async (id: string, isNewest = begin()) => {
    if (atlas) await lift([await atlas.rowOf(id)], isNewest);
    if (!isNewest()) return;
    if (innerWidth <= NARROW) setOpen(false);
    await show(id, true);
  };

  const chooseIds = async (ids: string[], by: string, isNewest = begin()) => {
    if (!atlas) return;
    const rows = (await Promise.all(ids.map((id) => atlas.rowOf(id)))).filter((row) => row >= 0);
    if (!isNewest()) return;
    // What was found is not pushed down by a picture that was open before, unless it is like that one.
    if (ids.length === 1 || ids[0] !== picture) await show(ids.length === 1 ? ids[0] : "", false);
    await choose(rows, by, isNewest);
  };

  const clearSearch = () => {
    setFilters(filters.filter((one) => one.column !== searchedColumn.current));
    searchedColumn.current = "";
    void chooseIds([], "");
  };

  // Pointing at points draws this part again and again; a million values are only recounted
  // when they changed.
  const shownCount = useMemo(() => mask.reduce((sum, one) => sum + one, 0), [mask]);
  const beside = !!atlas && (!!picture || chosen.length > 0 || !!own.dropped);
  const used = atlas?.column(colour) ? colour : "category";
  const legend = useMemo(
    () => atlas && <Filters atlas={atlas} colour={used} sifted={sifted} filters={filters} charts={charts ?? firstCharts(atlas)} onChange={(found) => { setNotice(""); setFilters(found); }} onCharts={setCharts} />,
    [atlas, used, sifted, filters, charts],
  );
  return (
    <div ref={root} class={`map${open ? " open" : ""}${beside ? " beside" : ""}`}>
      <h1 class="hidden">Map</h1>
      <div class="canvas">
        <div class="scene">
          <canvas
            ref={canvas}
            tabIndex={0}
            role="application"
            aria-label={`Map ${name}: ${many(atlas?.rows ?? 0, "picture")}. Arrow keys move, plus and minus zoom, Enter opens the picture nearest to the middle, L lasso, B box, P pan, I pictures, 0 everything.`}
            class={tool}
            onKeyDown={keys}
          />
          <svg class="over" aria-hidden="true">
            {outline.length > 1 && <polygon points={outline.map((p) => `${p.x},${p.y}`).join(" ")} />}
            {names.map((one) => <text x={one.x} y={one.y}>{one.text}</text>)}
            {ring && focus.current >= 0 && <circle cx={ring.x} cy={ring.y} r={11} />}
          </svg>
          {own.dropped && ownSpot && <img class="own-spot" src={own.dropped.url} alt={`Your picture ${own.dropped.name}, amid those most like it`} style={{ left: `${ownSpot.x}px`, top: `${ownSpot.y}px` }} />}
          {!atlas && !trouble && <p class="loading">Loading the map …</p>}
          {(trouble || uncoloured) && <Trouble text={trouble || uncoloured} />}
          {hover && <HoverCard hover={hover} atlas={atlas} colour={colour} />}
          <Notice text={notice} onClose={() => setNotice("")} />
        </div>
        <div class="bar">
          <button class="drawer" data-covers aria-expanded={open} onClick={() => setOpen(!open)}>
            {open ? "Hide panel" : "Colours and filters"}
          </button>
          {atlas && <Integrity atlas={atlas} shown={shownCount} drawn={drawn} samples={about.samples} />}
          <div class="tools" data-covers role="toolbar" aria-label="Tools of the map">
            {(["pan", "lasso", "box"] as Tool[]).map((one) => (
              <button aria-pressed={tool === one} onClick={() => setTool(one)} title={{ pan: "Move or turn (P)", lasso: "Choose with a lasso (L)", box: "Choose with a box (B)" }[one]}>
                {{ pan: atlas?.dims === 3 ? "Turn" : "Move", lasso: "Lasso", box: "Box" }[one]}
              </button>
            ))}
            <button aria-pressed={pictures} title="Show pictures where there is room (I)" onClick={() => setPictures(!pictures)}>Pictures</button>
            <button aria-label="Zoom in" onClick={() => stage.current?.zoom(1.4)}>+</button>
            <button aria-label="Zoom out" onClick={() => stage.current?.zoom(0.7)}>−</button>
            <button onClick={() => stage.current?.all()}>All</button>
          </div>
        </div>
      </div>
      <aside class="panel" aria-label="Colours, filters and search" hidden={!open}>
        {about.maps.length > 1 && (
          <Select label="Map" value={name} options={about.maps.map((one) => ({ value: one, text: one }))} onChange={(value) => { location.hash = `#/map?m=${encodeURIComponent(value)}&c=${colour}&f=${encodeURIComponent(writeFilters(filters))}&h=${writeCharts(charts)}&p=${picture}`; }} />
        )}
        {atlas && (
          <>
            <Search words={query.w ?? ""} atlas={atlas} about={about} dropped={own} begin={begin} onShow={find} onClear={clearSearch} onFilter={(f) => { setNotice(""); searched.current = true; searchedColumn.current = f.column; setFilters([...filters.filter((o) => o.column !== f.column), f]); }} onChoose={chooseIds} />
            <Select label="Colour by" value={used} options={atlas.shownColumns.map((c) => ({ value: c.name, text: c.title }))} onChange={setColour} />
            {legend}
            <Select label="Names on the map" value={namedBy(atlas, colour, naming)} options={namings(atlas, colour)} onChange={setNaming} />
            <Views collection={about.collection} shares={!!about.review} onSave={keep} />
          </>
        )}
      </aside>
      {beside && atlas && (
        <aside class="panel right" data-covers aria-label="Chosen pictures">
          {own.dropped && (
            <section class="dropped" aria-label="Your picture">
              <header>
                <h2>Pictures like yours</h2>
                <button class="plain" onClick={() => { own.close(); setChosen([]); }} aria-label="Close your picture">×</button>
              </header>
              <OwnPicture dropped={own.dropped}>
                {own.dropped.near.length > 0 && <small>{ownSpot ? `On the map it stands amid the ${Math.min(AMID, own.dropped.near.length)} most like it; it was not placed there by the layout.` : ""}</small>}
              </OwnPicture>
              <Strip ids={own.dropped.near.slice(0, BESIDE).map((one) => one.pic_id)} notes={own.dropped.near.map((one) => one.cosine.toFixed(3))} onShow={(id) => void find(id)} />
            </section>
          )}
          {picture && <Detail id={picture} atlas={atlas} about={about} mask={mask} onShow={(id) => void find(id)} onClose={() => void show("", false)} onChoose={chooseIds} />}
          {chosen.length > 0 && <SelectedPictures review={!!props.about.review} rows={chosen} by={chosenBy} atlas={atlas} mask={mask} onClear={() => { begin(); setChosen([]); }} onShow={(id) => show(id, false)} />}
        </aside>
      )}
    </div>
  );
}

/** How many of the nearest pictures place a dropped picture on the map. */
const AMID = 5;
/** How many of them are listed beside it with their cosine. */
const BESIDE = 8;

/** The middle of places on each axis; one place far away does not move it. */
function amid(places: number[][]): number[] {
  return places[0].map((_, axis) => {
    const sorted = places.map((one) => one[axis]).sort((a, b) => a - b);
    return sorted[sorted.length >> 1];
  });
}

/** Charts as they stand in an address: source,column.year; null for those of a first visit. */
function readCharts(text: string | undefined): string[] | null {
  return text ? text.split(",").filter((one) => one !== "none") : null;
}

function writeCharts(charts: string[] | null): string {
  return charts === null ? "" : charts.join(",") || "none";
}
