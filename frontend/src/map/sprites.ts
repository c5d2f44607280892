// Pictures on the map: squares in one texture of fixed size, each drawn as a small quad.
//
// The texture holds 400 squares (15 MB) whatever the collection's size; those that were not needed
// for longest make room for new ones.

import { SQUARE, SQUARES } from "../data";
import { linked } from "./link";
import { PICTURE_FRAGMENT, PICTURE_VERTEX } from "./shaders";

const ACROSS = 20;
const SLOTS = ACROSS * ACROSS;
const EDGE = ACROSS * SQUARE;
const AT_ONCE = 2;
const FLOATS = 5;

/** A picture on the screen: its middle and edge in CSS pixels. */
export interface Placed {
  row: number;
  x: number;
  y: number;
  edge: number;
}

export class Sprites {
  private program: WebGLProgram;
  private uniforms: Record<string, WebGLUniformLocation | null>;
  private texture: WebGLTexture;
  private quads: WebGLBuffer;
  private array: WebGLVertexArrayObject;
  /** Slot of each row that is held, the least lately needed first. */
  private held = new Map<number, number>();
  private gone = new Set<number>();
  private loading = new Set<number>();
  private needed: number[] = [];
  private requests = 0;
  private closed = false;

  constructor(
    private gl: WebGL2RenderingContext,
    private load: (rows: number[]) => Promise<(ImageData | null)[]>,
    private ready: () => void,
  ) {
    this.program = linked(gl, PICTURE_VERTEX, PICTURE_FRAGMENT, ["place", "look"]);
    const names = ["screen", "squares", "palette"];
    this.uniforms = Object.fromEntries(names.map((n) => [n, gl.getUniformLocation(this.program, n)]));
    this.texture = gl.createTexture()!;
    gl.bindTexture(gl.TEXTURE_2D, this.texture);
    gl.texStorage2D(gl.TEXTURE_2D, 1, gl.RGBA8, EDGE, EDGE);
    gl.texParameteri(gl.TEXTURE_2D, gl.TEXTURE_MIN_FILTER, gl.LINEAR);
    gl.texParameteri(gl.TEXTURE_2D, gl.TEXTURE_MAG_FILTER, gl.LINEAR);
    this.quads = gl.createBuffer()!;
    this.array = gl.createVertexArray()!;
    gl.bindVertexArray(this.array);
    gl.bindBuffer(gl.ARRAY_BUFFER, this.quads);
    for (const [at, parts, from] of [[0, 3, 0], [1, 2, 12]]) {
      gl.enableVertexAttribArray(at);
      gl.vertexAttribPointer(at, parts, gl.FLOAT, false, FLOATS * 4, from);
      gl.vertexAttribDivisor(at, 1);
    }
    gl.bindVertexArray(null);
  }

  has(row: number): boolean {
    return this.held.has(row);
  }

  /** Ask for the pictures of these rows, and keep them while they are needed. */
  want(rows: number[]): void {
    this.needed = rows.slice(0, SLOTS - 2 * SQUARES);
    for (const row of this.needed) {
      const slot = this.held.get(row);
      if (slot === undefined) continue;
      this.held.delete(row);
      this.held.set(row, slot);
    }
    this.pump();
  }

  /** Draw those of the pictures that are here; how many that were. */
  draw(placed: Placed[], colours: Uint8Array, palette: WebGLTexture, screen: { width: number; height: number }): number {
    const { gl } = this;
    const data = new Float32Array(placed.length * FLOATS);
    let count = 0;
    for (const { row, x, y, edge } of placed) {
      const slot = this.held.get(row);
      if (slot === undefined) continue;
      data.set([x, y, edge, slot, colours[row] ?? 255], count * FLOATS);
      count += 1;
    }
    if (!count) return 0;
    gl.useProgram(this.program);
    gl.bindVertexArray(this.array);
    gl.bindBuffer(gl.ARRAY_BUFFER, this.quads);
    gl.bufferData(gl.ARRAY_BUFFER, data.subarray(0, count * FLOATS), gl.DYNAMIC_DRAW);
    gl.activeTexture(gl.TEXTURE1);
    gl.bindTexture(gl.TEXTURE_2D, this.texture);
    gl.activeTexture(gl.TEXTURE0);
    gl.bindTexture(gl.TEXTURE_2D, palette);
    gl.uniform1i(this.uniforms.squares, 1);
    gl.uniform1i(this.uniforms.palette, 0);
    gl.uniform2f(this.uniforms.screen, screen.width, screen.height);
    gl.disable(gl.DEPTH_TEST);
    gl.disable(gl.BLEND);
    gl.drawArraysInstanced(gl.TRIANGLE_STRIP, 0, 4, count);
    gl.bindVertexArray(null);
    return count;
  }

  close(): void {
    this.closed = true;
  }

  private pump(): void {
    while (this.requests < AT_ONCE && !this.closed) {
      const missing = this.needed.filter((row) => !this.held.has(row) && !this.gone.has(row) && !this.loading.has(row));
      if (!missing.length) return;
      // Neighbours in the table are in the same file of previews.
      const rows = missing.sort((a, b) => a - b).slice(0, SQUARES);
      for (const row of rows) this.loading.add(row);
      this.requests += 1;
      void this.fetch(rows);
    }
  }

  private async fetch(rows: number[]): Promise<void> {
    // A picture that cannot be had stays a point.
    const found = await this.load(rows).catch(() => rows.map(() => null));
    if (this.closed) return;
    this.requests -= 1;
    rows.forEach((row, k) => {
      this.loading.delete(row);
      const square = found[k];
      if (square) this.keep(row, square);
      else this.gone.add(row);
    });
    this.ready();
    this.pump();
  }

  private keep(row: number, square: ImageData): void {
    const { gl } = this;
    let slot = this.held.size;
    if (slot >= SLOTS) {
      const [oldest, freed] = this.held.entries().next().value!;
      this.held.delete(oldest);
      slot = freed;
    }
    this.held.set(row, slot);
    gl.activeTexture(gl.TEXTURE1);
    gl.bindTexture(gl.TEXTURE_2D, this.texture);
    gl.texSubImage2D(gl.TEXTURE_2D, 0, (slot % ACROSS) * SQUARE, Math.floor(slot / ACROSS) * SQUARE, gl.RGBA, gl.UNSIGNED_BYTE, square);
    gl.activeTexture(gl.TEXTURE0);
  }
}
