// Draws points with WebGL 2: coordinates of two bytes an axis go to the graphics card as they came.
//
// Points are drawn in a shuffled order, so that no category covers another only because its table
// comes later, and so that the first k of them are a fair sample: while the picture moves on a slow
// machine, only as many are drawn as keep it fluid.

import { linked } from "./link";
import { FRAGMENT, VERTEX } from "./shaders";

export interface View {
  matrix: Float32Array;
  near: number;
}

const STYLE_BYTES = 2;
const CHOSEN = 2;
/** How faint points are that are not chosen, and above how many fainter, because they lie one above another. */
const FAINT = 0.18;
const FAINTEST = 0.04;
const MANY = 200_000;
/** Pixels across of a chosen point, at least. */
const SEEN = 5;

export class Renderer {
  readonly gl: WebGL2RenderingContext;
  private program: WebGLProgram;
  private uniforms: Record<string, WebGLUniformLocation | null>;
  private positions: WebGLBuffer;
  private styles: WebGLBuffer;
  /** Chosen points again: they are drawn above all others. */
  private chosenPositions: WebGLBuffer;
  private chosenStyles: WebGLBuffer;
  private chosen = 0;
  private points: Uint16Array = new Uint16Array(0);
  readonly palette: WebGLTexture;
  private style = new Uint8Array(0);
  private order: Uint32Array = new Uint32Array(0);
  private rows = 0;
  private dims = 2;
  choosing = false;
  pointSize = 3;
  /** How many times nearer one is than where everything is seen. */
  nearer = 1;
  private pending: { sync: WebGLSync; since: number } | null = null;
  background: [number, number, number] = [1, 1, 1];

  constructor(readonly canvas: HTMLCanvasElement) {
    const gl = canvas.getContext("webgl2", { antialias: false, alpha: false, powerPreference: "high-performance" });
    if (!gl) throw new Error("This browser does not draw with WebGL 2, which the map needs.");
    this.gl = gl;
    this.program = linked(gl, VERTEX, FRAGMENT, ["position", "style"]);
    const names = ["matrix", "size", "near", "deep", "choosing", "faint", "palette", "opacity", "round_", "background"];
    this.uniforms = Object.fromEntries(names.map((n) => [n, gl.getUniformLocation(this.program, n)]));
    this.positions = gl.createBuffer()!;
    this.styles = gl.createBuffer()!;
    this.chosenPositions = gl.createBuffer()!;
    this.chosenStyles = gl.createBuffer()!;
    this.palette = gl.createTexture()!;
    gl.bindTexture(gl.TEXTURE_2D, this.palette);
    gl.texParameteri(gl.TEXTURE_2D, gl.TEXTURE_MIN_FILTER, gl.NEAREST);
    gl.texParameteri(gl.TEXTURE_2D, gl.TEXTURE_MAG_FILTER, gl.NEAREST);
  }

  setPoints(positions: Uint16Array, dims: number): void {
    const { gl } = this;
    this.dims = dims;
    this.points = positions;
    this.rows = positions.length / dims;
    this.pointSize = this.rows < 5_000 ? 5 : this.rows < 50_000 ? 4 : this.rows < 300_000 ? 3 : 2;
    this.order = shuffled(this.rows);
    const drawn = new Uint16Array(positions.length);
    for (let k = 0; k < this.rows; k++) {
      const row = this.order[k];
      for (let axis = 0; axis < dims; axis++) drawn[k * dims + axis] = positions[row * dims + axis];
    }
    gl.bindBuffer(gl.ARRAY_BUFFER, this.positions);
    gl.bufferData(gl.ARRAY_BUFFER, drawn, gl.STATIC_DRAW);
    this.style = new Uint8Array(this.rows * STYLE_BYTES).fill(1);
  }

  /** Colour index of each row, and whether it is hidden (0), shown (1) or chosen (2). */
  setStyles(codes: Uint8Array, shown: Uint8Array): void {
    const { gl, order, style } = this;
    for (let k = 0; k < this.rows; k++) {
      style[2 * k] = codes[order[k]];
      style[2 * k + 1] = shown[order[k]];
    }
    gl.bindBuffer(gl.ARRAY_BUFFER, this.styles);
    gl.bufferData(gl.ARRAY_BUFFER, style, gl.DYNAMIC_DRAW);
    this.setChosen(codes, shown);
  }

  private setChosen(codes: Uint8Array, shown: Uint8Array): void {
    const { gl, dims, points } = this;
    const rows: number[] = [];
    for (let row = 0; row < this.rows; row++) if (shown[row] === CHOSEN) rows.push(row);
    this.chosen = rows.length;
    gl.bindBuffer(gl.ARRAY_BUFFER, this.chosenPositions);
    gl.bufferData(gl.ARRAY_BUFFER, Uint16Array.from({ length: rows.length * dims }, (_, k) => points[rows[Math.floor(k / dims)] * dims + (k % dims)]), gl.DYNAMIC_DRAW);
    gl.bindBuffer(gl.ARRAY_BUFFER, this.chosenStyles);
    gl.bufferData(gl.ARRAY_BUFFER, Uint8Array.from(rows.flatMap((row) => [codes[row], CHOSEN])), gl.DYNAMIC_DRAW);
  }

  setPalette(rgba: Uint8Array): void {
    const { gl } = this;
    gl.bindTexture(gl.TEXTURE_2D, this.palette);
    gl.texImage2D(gl.TEXTURE_2D, 0, gl.RGBA, 256, 1, 0, gl.RGBA, gl.UNSIGNED_BYTE, rgba);
  }

  resize(): void {
    const ratio = Math.min(2, devicePixelRatio || 1);
    const width = Math.max(1, Math.round(this.canvas.clientWidth * ratio));
    const height = Math.max(1, Math.round(this.canvas.clientHeight * ratio));
    if (this.canvas.width === width && this.canvas.height === height) return;
    this.canvas.width = width;
    this.canvas.height = height;
  }

  /** Draw the first `most` points of the shuffled order. */
  draw(view: View, most: number): void {
    const { gl, uniforms } = this;
    const deep = this.dims === 3;
    const ratio = this.canvas.width / Math.max(1, this.canvas.clientWidth);
    const size = this.pointSize * ratio * Math.min(2.5, Math.max(1, this.nearer ** 0.35));
    gl.viewport(0, 0, this.canvas.width, this.canvas.height);
    gl.clearColor(...this.background, 1);
    gl.clear(gl.COLOR_BUFFER_BIT | gl.DEPTH_BUFFER_BIT);
    if (!this.rows) return;
    gl.useProgram(this.program);
    gl.activeTexture(gl.TEXTURE0);
    gl.bindTexture(gl.TEXTURE_2D, this.palette);
    gl.uniformMatrix4fv(uniforms.matrix, false, view.matrix);
    gl.uniform1f(uniforms.size, size);
    gl.uniform1f(uniforms.near, view.near);
    gl.uniform1i(uniforms.deep, deep ? 1 : 0);
    gl.uniform1i(uniforms.choosing, this.choosing ? 1 : 0);
    gl.uniform1f(uniforms.faint, Math.max(FAINTEST, FAINT * Math.min(1, MANY / this.rows)));
    gl.uniform1f(uniforms.opacity, this.opacity(size));
    gl.uniform1i(uniforms.round_, size > 2.5 ? 1 : 0);
    gl.uniform3f(uniforms.background, ...this.background);
    this.bind(0, "position", this.positions, this.dims, gl.UNSIGNED_SHORT, true);
    this.bind(1, "style", this.styles, STYLE_BYTES, gl.UNSIGNED_BYTE, false);
    if (deep) {
      gl.enable(gl.DEPTH_TEST);
      gl.disable(gl.BLEND);
    } else {
      gl.disable(gl.DEPTH_TEST);
      gl.enable(gl.BLEND);
      gl.blendFunc(gl.ONE, gl.ONE_MINUS_SRC_ALPHA);
    }
    gl.drawArrays(gl.POINTS, 0, Math.min(most, this.rows));
    if (this.choosing) this.drawChosen(Math.max(size, (SEEN / 1.5) * ratio));
  }

  private drawChosen(size: number): void {
    const { gl, uniforms } = this;
    gl.uniform1f(uniforms.size, size);
    gl.uniform1f(uniforms.opacity, 1);
    gl.uniform1i(uniforms.round_, 1);
    this.bind(0, "position", this.chosenPositions, this.dims, gl.UNSIGNED_SHORT, true);
    this.bind(1, "style", this.chosenStyles, STYLE_BYTES, gl.UNSIGNED_BYTE, false);
    gl.disable(gl.DEPTH_TEST);
    gl.drawArrays(gl.POINTS, 0, this.chosen);
  }

  /** The frame is whole: from now on `took` says how long the card works on it. */
  finish(): void {
    const { gl } = this;
    this.pending = { sync: gl.fenceSync(gl.SYNC_GPU_COMMANDS_COMPLETE, 0)!, since: performance.now() };
    gl.flush();
  }

  /** Where points lie one above another, none is opaque: what is dense then looks dense. */
  private opacity(size: number): number {
    const room = this.canvas.width * this.canvas.height * this.nearer ** 2;
    return Math.min(0.85, Math.max(0.22, (0.5 * room) / (this.rows * size * size)));
  }

  /** Milliseconds that the last frame took; null while the card is still drawing it. */
  took(): number | null {
    if (!this.pending) return 0;
    const state = this.gl.clientWaitSync(this.pending.sync, 0, 0);
    if (state === this.gl.TIMEOUT_EXPIRED) return null;
    this.gl.deleteSync(this.pending.sync);
    const found = performance.now() - this.pending.since;
    this.pending = null;
    return found;
  }

  destroy(): void {
    this.gl.getExtension("WEBGL_lose_context")?.loseContext();
  }

  private bind(at: number, _: string, buffer: WebGLBuffer, parts: number, type: number, unit: boolean): void {
    const { gl } = this;
    gl.bindBuffer(gl.ARRAY_BUFFER, buffer);
    gl.enableVertexAttribArray(at);
    gl.vertexAttribPointer(at, parts, type, unit, 0, 0);
  }
}

/** Every row once, in an order that is the same each time and spreads any first k evenly. */
export function shuffled(rows: number): Uint32Array {
  const order = new Uint32Array(rows);
  let stride = Math.max(1, Math.floor(rows * 0.618034));
  while (gcd(stride, rows) !== 1) stride += 1;
  let at = 0;
  for (let k = 0; k < rows; k++) {
    order[k] = at;
    at = (at + stride) % rows;
  }
  return order;
}

function gcd(a: number, b: number): number {
  return b === 0 ? a : gcd(b, a % b);
}
