// One pair of shaders for 2D and 3D: a point is a square of pixels, cut to a disc where it is large.

export const VERTEX = `#version 300 es
in vec3 position;
in vec2 style; // index of its colour; 0 hidden, 1 shown, 2 chosen
uniform mat4 matrix;
uniform float size;
uniform float near;
uniform bool deep;
uniform bool choosing;
uniform float faint; // how faint the others are while some are chosen
uniform sampler2D palette;
out vec4 colour;
void main() {
  if (style.y < 0.5) {
    gl_Position = vec4(2.0, 2.0, 2.0, 1.0);
    gl_PointSize = 0.0;
    return;
  }
  gl_Position = matrix * vec4(position, 1.0);
  bool chosen = style.y > 1.5;
  float scale = deep ? clamp(near / gl_Position.w, 0.5, 4.0) : 1.0;
  gl_PointSize = max(1.0, size * scale * (chosen ? 1.5 : 1.0));
  vec4 found = texelFetch(palette, ivec2(int(style.x + 0.5), 0), 0);
  float fog = deep ? clamp(1.35 - 0.5 * gl_Position.w / near, 0.25, 1.0) : 1.0;
  colour = vec4(found.rgb, fog * (choosing && !chosen ? faint : 1.0));
}`;

export const FRAGMENT = `#version 300 es
precision mediump float;
in vec4 colour;
uniform float opacity;
uniform bool round_;
uniform bool deep;
uniform vec3 background;
out vec4 pixel;
void main() {
  if (round_) {
    vec2 away = gl_PointCoord - 0.5;
    if (dot(away, away) > 0.25) discard;
  }
  pixel = deep ? vec4(mix(background, colour.rgb, colour.a), 1.0)
               : vec4(colour.rgb, 1.0) * (opacity * colour.a);
}`;

// Pictures: a quad for each, its square cut out of one texture, with a frame in the colour of its point.

export const PICTURE_VERTEX = `#version 300 es
in vec3 place; // middle and edge, in CSS pixels
in vec2 look; // slot of the texture; index of its colour
uniform vec2 screen;
uniform sampler2D palette;
out vec2 inside;
flat out vec2 corner;
flat out float frame;
flat out vec3 colour;
void main() {
  vec2 unit = vec2(float(gl_VertexID & 1), float(gl_VertexID >> 1));
  vec2 at = place.xy + (unit - 0.5) * place.z;
  gl_Position = vec4(2.0 * at.x / screen.x - 1.0, 1.0 - 2.0 * at.y / screen.y, 0.0, 1.0);
  inside = unit;
  frame = 2.5 / place.z;
  corner = vec2(mod(look.x, 20.0), floor(look.x / 20.0));
  colour = texelFetch(palette, ivec2(int(look.y + 0.5), 0), 0).rgb;
}`;

export const PICTURE_FRAGMENT = `#version 300 es
precision highp float;
in vec2 inside;
flat in vec2 corner;
flat in float frame;
flat in vec3 colour;
uniform sampler2D squares;
out vec4 pixel;
void main() {
  vec2 edge = min(inside, 1.0 - inside);
  if (min(edge.x, edge.y) < frame) {
    pixel = vec4(colour, 1.0);
    return;
  }
  vec2 within = clamp(inside, 0.006, 0.994);
  pixel = vec4(texture(squares, (corner + within) / 20.0).rgb, 1.0);
}`;
