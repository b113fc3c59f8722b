/* Search in pages that are opened from a folder: a browser starts no worker from a file, so the worker runs in a frame. */
"use strict";
if (location.protocol === "file:") {
  /* Both run in the frame, in place of what a worker has under these names. */
  const post = (message) => parent.postMessage(message, "*");
  const load = async (...addresses) => {
    for (const address of addresses) {
      await new Promise((loaded) => {
        const script = document.createElement("script");
        script.src = address;
        script.onload = loaded;
        document.body.append(script);
      });
    }
  };

  window.Worker = class extends EventTarget {
    constructor(address) {
      super();
      this.frame = document.body.appendChild(document.createElement("iframe"));
      this.frame.hidden = true;
      const inside = this.frame.contentWindow;
      addEventListener("message", ({ source, data }) => {
        if (source === inside) this.dispatchEvent(new MessageEvent("message", { data }));
      });
      inside.document.open();
      inside.document.write(
        `<body><script>postMessage = ${post}; importScripts = ${load}</${"script"}><script src="${address}"></${"script"}>`,
      );
      inside.document.close();
      this.ready = new Promise((started) => (inside.onload = started));
    }
    async postMessage(data) {
      await this.ready;
      this.frame.contentWindow.dispatchEvent(new MessageEvent("message", { data }));
    }
    terminate() {
      this.frame.remove();
    }
  };
}
