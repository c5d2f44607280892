// The canvas and what a person does on it: panning, turning, zooming, pointing, lasso and box.

import type { Atlas } from "./atlas";
import { FlatCamera, OrbitCamera, projected, seen, type Camera } from "./cameras";
import { choosePictures, keysOf, pictureAt, placePictures, thinned, type PictureChoice } from "./choosing";
import { source } from "../data";
import { placeNames, type Name, type NamesFor } from "./names";
import { Grid, pick, within, type Polygon } from "./picking";
import { Renderer, type View } from "./renderer";
import { frameOf, inner, type Frame } from "./room";
import { Sprites, type Placed } from "./sprites";

export type Tool = "pan" | "lasso" | "box";

export interface StageEvents {
  hover(row: number, x: number, y: number): void;
  click(row: number): void;
  choose(rows: number[], more: boolean): void;
  moved(): void;
  resized(): void;
  outline(polygon: Polygon): void;
  drew(points: number, pictures: number): void;
  named(names: Name[]): void;
}

const CHOSEN = 2;
const ALL = "all";
/** Pixels that make no difference to what is seen. */
const NEARLY = 3;
/** How much lower the key is of a picture that costs little: it wins its part of the map. */
const PICTURED = 1e-4;
const REACH = 12;
const FLUID_MS = 50;
const FEWEST = 20_000;
/** Above so many points, pictures come where one is nearer than this. */
const MANY = 100_000;
const NEARER = 1.8;
/** Choosing again goes over all points: so often at most while the picture moves. */
const CHOOSE_MS = 200;

export class Stage {
  readonly renderer: Renderer;
  camera: Camera;
  tool: Tool = "pan";
  /** Whether points are shown as pictures where there is room. */
  pictures = true;
  /** A row that is shown as a picture in any case, -1 for none. */
  focus = -1;
  /** Names of groups or regions. */
  names: NamesFor = () => [];
  private sprites: Sprites;
  private keys: Float32Array = new Float32Array(0);
  private colours: Uint8Array = new Uint8Array(0);
  private chosen: PictureChoice = { rows: [], edge: 0, every: false };
  private chosenAt = 0;
  private placed: Placed[] = [];
  private grid: Grid | null = null;
  private shown: Uint8Array = new Uint8Array(0);
  /** Rows that may be shown as pictures: of a choice only what is chosen, the rest are faint points. */
  private pictured: Uint8Array = new Uint8Array(0);
  private atlas: Atlas | null = null;
  private waiting = false;
  private moving = false;
  private rest = 0;
  private fluid = Infinity;
  private drawn = 0;
  private pointers = new Map<number, { x: number; y: number }>();
  private path: Polygon = [];
  private travelled = 0;
  private stop = new AbortController();
  private observer: ResizeObserver;

  /** Whether all is seen, as at first: then it is fitted into a frame that changes. */
  private whole = true;

  /** `covers` finds what lies on the canvas. */
  constructor(private canvas: HTMLCanvasElement, private covers: () => Iterable<Element>, private events: StageEvents) {
    this.renderer = new Renderer(canvas);
    this.sprites = new Sprites(this.renderer.gl, (rows) => this.squares(rows), () => this.draw());
    this.camera = new FlatCamera([1, 1]);
    this.observer = new ResizeObserver(() => {
      if (this.whole) this.camera.reset(this.frameNow());
      this.draw();
      this.events.resized();
    });
    this.observer.observe(canvas);
    this.listen();
  }

  show(atlas: Atlas): void {
    this.atlas = atlas;
    this.fluid = Infinity;
    this.renderer.setPoints(atlas.positions, atlas.dims);
    this.grid = atlas.dims === 2 ? new Grid(atlas.positions) : null;
    this.shown = new Uint8Array(atlas.rows).fill(1);
    this.pictured = this.shown;
    this.camera = atlas.dims === 3 ? new OrbitCamera(atlas.outline(this.shown)) : new FlatCamera(atlas.extent());
    this.camera.reset(this.frameNow());
    this.represent(null);
  }

  /** Say of which group each row is, so that rare groups are among the pictures. */
  represent(groups: ArrayLike<number> | null): void {
    this.keys = keysOf(this.atlas?.rows ?? 0, groups);
    // Each of the others is in a file of a thousand previews, which a bucket sends whole.
    for (const row of this.atlas?.info.pictured ?? []) this.keys[row] *= PICTURED;
    this.chosenAt = 0;
    this.draw();
  }

  /** Colour indices, and 0 hidden, 1 shown, 2 chosen for each row. */
  paint(colours: Uint8Array, shown: Uint8Array, choosing: boolean): void {
    this.shown = shown;
    this.pictured = choosing ? shown.map((one) => +(one === CHOSEN)) : shown;
    this.renderer.choosing = choosing;
    this.renderer.setStyles(colours, shown);
    this.colours = colours;
    this.chosenAt = 0;
    this.draw();
  }

  draw(): void {
    if (this.waiting) return;
    this.waiting = true;
    const attempt = () => {
      // Frames that the card cannot follow would pile up: the next one waits for the last.
      const took = this.renderer.took();
      if (took === null) {
        requestAnimationFrame(attempt);
        return;
      }
      this.waiting = false;
      this.pace(took);
      this.frame();
    };
    requestAnimationFrame(attempt);
  }

  /** Choose the pictures again and draw. */
  refresh(): void {
    this.chosenAt = 0;
    this.draw();
  }

  /** Where a row is on the screen; null if it is behind the camera. */
  place(row: number): { x: number; y: number } | null {
    return !this.atlas || row < 0 ? null : this.placeAt(this.atlas.at(row));
  }

  /** Where a place of the map is on the screen; null if it is behind the camera. */
  placeAt(at: number[]): { x: number; y: number } | null {
    const screen = this.screen();
    return projected(this.camera.view(screen.width, screen.height), at, screen);
  }

  /** See everything in the part of the canvas that is free. */
  all(): void {
    this.camera.reset(this.frameNow());
    this.moved();
    this.whole = true;
  }

  /** Look at a row from near by. */
  visit(row: number): void {
    this.camera.visit(this.atlas!.at(row), this.frameNow());
    this.moved();
  }

  /** Move the camera only if not all of these rows are seen where nothing covers them. */
  reveal(rows: number[]): void {
    const mask = new Uint8Array(this.atlas?.rows ?? 0);
    for (const row of rows) mask[row] = 1;
    this.revealAll(mask);
  }

  /** The same for all rows of a mask. */
  revealAll(mask: Uint8Array): void {
    const [places, frame] = [this.atlas?.outline(mask) ?? [], this.frameNow()];
    if (!places.length || seen(this.camera, places, frame)) return;
    this.camera.show(places, frame);
    this.moved();
  }

  /** Move the map as little as brings a row out from behind what covers it. */
  uncover(row: number): void {
    const spot = this.place(row);
    const frame = this.frameNow();
    const room = inner(frame.free);
    if (!spot) return;
    const dx = Math.max(0, room.left - spot.x) - Math.max(0, spot.x - room.right);
    const dy = Math.max(0, room.top - spot.y) - Math.max(0, spot.y - room.bottom);
    // Names stay out from behind what was opened.
    if (Math.hypot(dx, dy) < NEARLY) return this.draw();
    this.camera.drag(dx, dy, frame.width, frame.height, true);
    this.moved();
  }

  /** The camera as it stands in an address; `all` where everything is seen. */
  save(): string {
    return this.whole ? ALL : this.camera.save(this.frameNow());
  }

  /** Look from where an address says; false, and at everything, if it says nothing that can be looked at. */
  restore(text: string): boolean {
    if (text === ALL || !text) {
      this.all();
      return true;
    }
    const known = this.camera.restore(text, this.frameNow());
    this.moved();
    return known;
  }

  /** The shown point nearest to a place on the screen. */
  pick(x: number, y: number, reach = REACH): number {
    if (!this.atlas) return -1;
    const picture = pictureAt(this.placed, x, y);
    if (picture >= 0) return picture;
    const screen = this.screen();
    const view = this.camera.view(screen.width, screen.height);
    return pick(this.atlas.positions, this.atlas.dims, this.shown, this.grid, view, screen, { x, y }, reach);
  }

  zoom(factor: number): void {
    const { width, height } = this.screen();
    this.camera.zoom(factor, width / 2, height / 2, width, height);
    this.moved();
  }

  pan(dx: number, dy: number): void {
    const { width, height } = this.screen();
    this.camera.drag(dx, dy, width, height, false);
    this.moved();
  }

  moved(): void {
    this.whole = false;
    this.moving = true;
    clearTimeout(this.rest);
    this.rest = window.setTimeout(() => {
      this.moving = false;
      this.chosenAt = 0;
      this.draw();
    }, 160);
    this.events.moved();
    this.draw();
  }

  screen(): { width: number; height: number } {
    return { width: this.canvas.clientWidth || 1, height: this.canvas.clientHeight || 1 };
  }

  private frameNow(): Frame {
    return frameOf(this.canvas, this.covers());
  }

  destroy(): void {
    this.stop.abort();
    this.observer.disconnect();
    clearTimeout(this.rest);
    this.sprites.close();
    this.renderer.destroy();
  }

  private frame(): void {
    if (!this.atlas) return;
    const screen = this.screen();
    const view = this.camera.view(screen.width, screen.height);
    this.renderer.resize();
    this.renderer.nearer = this.camera.nearer();
    this.drawn = Math.min(this.moving ? this.fluid : Infinity, this.atlas.rows);
    this.renderer.draw(view, this.drawn);
    this.choose(view);
    const { positions, dims } = this.atlas;
    const { rows, edge } = this.chosen;
    this.placed = placePictures(positions, dims, rows, edge, view, screen).filter((one) => this.sprites.has(one.row));
    const pictures = this.sprites.draw(this.placed, this.colours, this.renderer.palette, screen);
    this.renderer.finish();
    this.events.drew(this.drawn, pictures);
    this.events.named(placeNames(this.names(this.camera.nearer()), view, this.frameNow(), this.placed));
  }

  /** Choose which points are pictures; while the map moves, those that were stay for a while. */
  private choose(view: View): void {
    const now = performance.now();
    const wait = this.moving && this.shown.length > MANY ? Infinity : CHOOSE_MS;
    if (this.chosenAt && (!this.moving || now - this.chosenAt < wait)) return;
    this.chosenAt = now;
    const { positions, dims, rows } = this.atlas!;
    const fromAfar = rows > MANY && !this.renderer.choosing && this.camera.nearer() < NEARER;
    if (!this.pictures || fromAfar) {
      this.chosen = { rows: [], edge: 0, every: false };
      return;
    }
    const screen = this.screen();
    const found = choosePictures(positions, dims, this.pictured, this.keys, view, screen);
    if (!found.every) found.rows = thinned(placePictures(positions, dims, found.rows, found.edge, view, screen), this.keys);
    if (this.focus >= 0 && this.shown[this.focus]) found.rows = [...found.rows.filter((row) => row !== this.focus), this.focus];
    this.chosen = found;
    this.sprites.want(found.rows);
  }

  private async squares(rows: number[]): Promise<(ImageData | null)[]> {
    return source.squares(await this.atlas!.picIds(rows));
  }

  /** Choose how many points a moving picture has, by how long the last frame took. */
  private pace(took: number): void {
    if (!this.moving || !this.drawn || !took) return;
    if (took > FLUID_MS) this.fluid = Math.max(FEWEST, Math.floor((this.drawn * FLUID_MS * 0.7) / took));
    else if (took < FLUID_MS / 2) this.fluid = Math.max(this.fluid, this.drawn * 1.4);
  }

  private listen(): void {
    const { canvas } = this;
    const on = <K extends keyof HTMLElementEventMap>(name: K, hear: (e: HTMLElementEventMap[K]) => void) =>
      canvas.addEventListener(name, hear, { signal: this.stop.signal, passive: false });
    on("pointerdown", (e) => this.down(e));
    on("pointermove", (e) => this.move(e));
    on("pointerup", (e) => this.up(e));
    on("pointercancel", (e) => this.pointers.delete(e.pointerId));
    on("pointerleave", () => this.events.hover(-1, 0, 0));
    on("contextmenu", (e) => e.preventDefault());
    on("wheel", (e) => {
      e.preventDefault();
      const { width, height } = this.screen();
      this.camera.zoom(Math.exp(-e.deltaY * 0.0016), e.offsetX, e.offsetY, width, height);
      this.moved();
    });
  }

  private down(e: PointerEvent): void {
    this.canvas.setPointerCapture(e.pointerId);
    this.pointers.set(e.pointerId, { x: e.offsetX, y: e.offsetY });
    this.travelled = 0;
    this.path = this.tool === "pan" ? [] : [{ x: e.offsetX, y: e.offsetY }];
  }

  private move(e: PointerEvent): void {
    const before = this.pointers.get(e.pointerId);
    if (!before) {
      this.events.hover(this.pick(e.offsetX, e.offsetY), e.offsetX, e.offsetY);
      return;
    }
    const [dx, dy] = [e.offsetX - before.x, e.offsetY - before.y];
    this.travelled += Math.abs(dx) + Math.abs(dy);
    if (this.pointers.size === 2) this.pinch(e, before);
    else if (this.tool === "pan") {
      const { width, height } = this.screen();
      this.camera.drag(dx, dy, width, height, e.shiftKey || e.buttons === 2);
      this.moved();
    } else this.extend(e.offsetX, e.offsetY);
    this.pointers.set(e.pointerId, { x: e.offsetX, y: e.offsetY });
  }

  private pinch(e: PointerEvent, before: { x: number; y: number }): void {
    const other = [...this.pointers].find(([id]) => id !== e.pointerId)![1];
    const apart = (p: { x: number; y: number }) => Math.hypot(p.x - other.x, p.y - other.y) || 1;
    const { width, height } = this.screen();
    const factor = apart({ x: e.offsetX, y: e.offsetY }) / apart(before);
    this.camera.zoom(factor, (e.offsetX + other.x) / 2, (e.offsetY + other.y) / 2, width, height);
    this.path = [];
    this.moved();
  }

  private extend(x: number, y: number): void {
    if (!this.path.length) return;
    if (this.tool === "lasso") this.path.push({ x, y });
    else {
      const from = this.path[0];
      this.path = [from, { x, y: from.y }, { x, y }, { x: from.x, y }];
    }
    this.events.outline(this.path);
  }

  private up(e: PointerEvent): void {
    if (!this.pointers.delete(e.pointerId) || this.pointers.size) return;
    if (this.travelled < 5) this.events.click(this.pick(e.offsetX, e.offsetY));
    else if (this.path.length > 2 && this.atlas) {
      const screen = this.screen();
      const view = this.camera.view(screen.width, screen.height);
      const rows = within(this.atlas.positions, this.atlas.dims, this.shown, view, screen, this.path);
      this.events.choose(rows, e.shiftKey);
    }
    this.path = [];
    this.events.outline([]);
  }
}
