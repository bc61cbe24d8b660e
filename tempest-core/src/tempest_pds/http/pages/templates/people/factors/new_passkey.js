// Has the browser make a passkey when the form is submitted, and submits the form with what it gives.
(() => {
  const form = document.getElementById("new-passkey");
  if (!form) return;
  form.hidden = false;
  const field = form.elements.passkey;
  const toBytes = (text) =>
    Uint8Array.from(atob(text.replace(/-/g, "+").replace(/_/g, "/")), (letter) => letter.charCodeAt(0));
  const toText = (bytes) =>
    btoa(String.fromCharCode(...new Uint8Array(bytes))).replace(/\+/g, "-").replace(/\//g, "_").replace(/=+$/, "");
  const show = (id) => {
    for (const name of ["passkey-problem", "passkey-known", "passkey-unknown"])
      document.getElementById(name).hidden = name !== id;
  };
  form.addEventListener("submit", async (event) => {
    if (field.value) return;
    event.preventDefault();
    if (!window.PublicKeyCredential) return show("passkey-unknown");
    show("");
    try {
      const publicKey = JSON.parse(field.dataset.request);
      publicKey.challenge = toBytes(publicKey.challenge);
      publicKey.user.id = toBytes(publicKey.user.id);
      publicKey.excludeCredentials = (publicKey.excludeCredentials || []).map((one) => ({ ...one, id: toBytes(one.id) }));
      const made = await navigator.credentials.create({ publicKey });
      field.value = JSON.stringify({
        id: made.id,
        rawId: toText(made.rawId),
        type: made.type,
        clientExtensionResults: made.getClientExtensionResults(),
        response: {
          clientDataJSON: toText(made.response.clientDataJSON),
          attestationObject: toText(made.response.attestationObject),
        },
      });
      form.submit();
    } catch (error) {
      show(error.name === "InvalidStateError" ? "passkey-known" : "passkey-problem");
    }
  });
})();
