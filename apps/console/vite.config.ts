/** How the pages are built. Everything is a file of its own beside the page: its policy allows no script inside it. */
import react from "@vitejs/plugin-react"
import { defineConfig } from "vite"

export default defineConfig({
  base: "/console/",
  plugins: [react()],
  resolve: { conditions: ["@guildhall/source", "module", "browser", "development|production"] },
  build: {
    target: "es2024",
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    reportCompressedSize: false,
    // wllama holds its worker's text, and is loaded once somebody picks a file.
    chunkSizeWarningLimit: 2_000,
  },
})
