// Asks the browser for a passkey, puts its answer into the form, and submits that. Without it the code still works.
(() => {
  const part = document.getElementById("passkey-part");
  const form = part && part.closest("form");
  if (!form || !window.PublicKeyCredential) return;
  const toBytes = (text) =>
    Uint8Array.from(atob(text.replace(/-/g, "+").replace(/_/g, "/")), (letter) => letter.charCodeAt(0));
  const toText = (bytes) =>
    btoa(String.fromCharCode(...new Uint8Array(bytes))).replace(/\+/g, "-").replace(/\//g, "_").replace(/=+$/, "");
  part.hidden = false;
  document.getElementById("use-passkey").addEventListener("click", async () => {
    const problem = document.getElementById("passkey-problem");
    problem.hidden = true;
    try {
      const given = JSON.parse(document.getElementById("passkey-request").value);
      const publicKey = { ...(given.publicKey || given) };
      publicKey.challenge = toBytes(publicKey.challenge);
      publicKey.allowCredentials = (publicKey.allowCredentials || []).map((one) => ({ ...one, id: toBytes(one.id) }));
      const found = await navigator.credentials.get({ publicKey });
      const response = found.response;
      form.elements.passkey.value = JSON.stringify({
        id: found.id,
        rawId: toText(found.rawId),
        type: found.type,
        authenticatorAttachment: found.authenticatorAttachment,
        clientExtensionResults: found.getClientExtensionResults(),
        response: {
          clientDataJSON: toText(response.clientDataJSON),
          authenticatorData: toText(response.authenticatorData),
          signature: toText(response.signature),
          userHandle: response.userHandle && toText(response.userHandle),
        },
      });
      form.submit();
    } catch {
      problem.hidden = false;
    }
  });
})();
