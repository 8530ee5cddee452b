import { cloudflare } from "@cloudflare/vite-plugin";
import { defineConfig } from "vite";
import { title } from "./title.js";

// Sends as fast as it is read, and tells how much that was.
const flood = {
  name: "flood",
  configureServer(server) {
    server.middlewares.use("/title", (_request, response) => response.end(title));
    let written = 0;
    const chunk = Buffer.alloc(65536, "x");
    server.middlewares.use("/flood", (request, response) => {
      const more = () => {
        while (response.writable && response.write(chunk)) written += chunk.length;
        written += chunk.length;
      };
      response.on("drain", more);
      request.on("close", () => response.off("drain", more));
      more();
    });
    server.middlewares.use("/flooded", (_request, response) => response.end(String(written)));
  },
};

export default defineConfig(async () => ({
  plugins: [[cloudflare()], Promise.resolve(flood), false],
}));
