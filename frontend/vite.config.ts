import { defineConfig } from "vite";

// One classic script and one style sheet: a module script does not run in a page opened from a
// file, which the exported folder must do.
export default defineConfig({
  publicDir: false,
  oxc: { jsx: { runtime: "automatic", importSource: "preact" } },
  build: {
    outDir: "../src/naturalist/dashboard/static",
    emptyOutDir: true,
    target: "es2022",
    cssCodeSplit: false,
    lib: {
      entry: "src/main.tsx",
      formats: ["iife"],
      name: "naturalistDashboard",
      fileName: () => "app.js",
      cssFileName: "app",
    },
  },
});
