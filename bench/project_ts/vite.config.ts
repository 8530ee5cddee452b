// For the peer: Vite with Cloudflare's plugin, which runs the Worker in workerd.
import { cloudflare } from "@cloudflare/vite-plugin";
import agents from "agents/vite";
import { defineConfig } from "vite";

export default defineConfig({
  clearScreen: false,
  plugins: [agents(), cloudflare({ inspectorPort: false })],
});
