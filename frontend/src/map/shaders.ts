// One pair of shaders for 2D and 3D: a point is a square of pixels, cut to a disc where it is large.

export const VERTEX = `#version 300 es
in vec3 position;
in vec2 style; // index of its colour; 0 hidden, 1 shown, 2 chosen
uniform mat4 matrix;
uniform float size;
uniform float near;
uniform bool deep;
uniform bool choosing;
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
  colour = vec4(found.rgb, fog * (choosing && !chosen ? 0.18 : 1.0));
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
