//go:build live

package live

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha1"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"testing"

	"active_users_exporter/test/must"
)

// agents are what the clients of the people call themselves, by user.
func agents() map[string]string {
	return map[string]string{
		"android":  "Element/1.6.20 (Google Pixel 8; Android 15; MatrixAndroidSdk2 1.6.20)",
		"ios":      "Element/1.11.5 (iPhone 15; iOS 18.0; Scale/3.00)",
		"electron": "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 Element/1.11.80 Chrome/128.0 Electron/32.0 Safari/537.36",
		"web":      "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0",
		"plain":    "curl/8.5",
		"returned": "Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:140.0) Gecko/20100101 Firefox/140.0",
		"longago":  "Riot/1.0 (Android 9)",
		"faithful": "Element X/25.11 (iPhone 15; iOS 18.0; Scale/3.00)",
		"removed":  "Element/1.6.20 (Android 15)",
	}
}

// call makes a request to Synapse and decodes its answer.
func (h *homeserver) call(t *testing.T, method, path, token, agent string, body any) map[string]any {
	t.Helper()
	content, err := json.Marshal(body)
	must.Succeed(t, err)
	request, err := http.NewRequestWithContext(t.Context(), method, h.url+path, bytes.NewReader(content))
	must.Succeed(t, err)
	request.Header.Set("User-Agent", agent)
	if token != "" {
		request.Header.Set("Authorization", "Bearer "+token)
	}
	response, err := http.DefaultClient.Do(request)
	must.Succeed(t, err)
	defer func() { _ = response.Body.Close() }()
	answer, err := io.ReadAll(response.Body)
	must.Succeed(t, err)
	if response.StatusCode != http.StatusOK {
		t.Fatalf("%s %s: %s %s", method, path, response.Status, answer)
	}
	found := make(map[string]any)
	must.Succeed(t, json.Unmarshal(answer, &found))
	return found
}

// register makes an account with the shared secret; it is logged in.
func (h *homeserver) register(t *testing.T, user string, admin bool) {
	t.Helper()
	const path = "/_synapse/admin/v1/register"
	nonce := h.call(t, http.MethodGet, path, "", "setup", nil)["nonce"].(string)
	kind := "notadmin"
	if admin {
		kind = "admin"
	}
	mac := hmac.New(sha1.New, []byte(secret))
	_, _ = fmt.Fprintf(mac, "%s\x00%s\x00pw\x00%s", nonce, user, kind)
	answer := h.call(t, http.MethodPost, path, "", agents()[user], map[string]any{
		"nonce": nonce, "username": user, "password": "pw", "admin": admin, "mac": hex.EncodeToString(mac.Sum(nil)),
	})
	h.tokens[user] = answer["access_token"].(string)
}

// as makes a request of a user with the user's client.
func (h *homeserver) as(t *testing.T, user, method, path string, body any) map[string]any {
	t.Helper()
	return h.call(t, method, path, h.tokens[user], agents()[user], body)
}

// say sends a message to the open room.
func (h *homeserver) say(t *testing.T, user, text string) {
	t.Helper()
	h.send(t, user, h.open, "m.room.message", map[string]any{"msgtype": "m.text", "body": text})
}

func (h *homeserver) send(t *testing.T, user, room, kind string, content any) {
	t.Helper()
	h.as(t, user, http.MethodPut, fmt.Sprintf("/_matrix/client/v3/rooms/%s/send/%s/%d", url.PathEscape(room), kind, h.transactions.Add(1)), content)
}

// traffic is an ordinary day: people with all classes of clients, a guest, a
// bridge, somebody who never came and somebody whose account is deactivated;
// rooms with and without encryption.
func (h *homeserver) traffic(t *testing.T) {
	t.Helper()
	h.tokens = make(map[string]string)
	people := slices.Sorted(maps.Keys(agents()))
	for _, user := range people {
		h.register(t, user, user == "faithful")
	}
	h.register(t, "never", false)

	create := func(user string, options map[string]any) string {
		options["preset"] = "public_chat"
		return h.as(t, user, http.MethodPost, "/_matrix/client/v3/createRoom", options)["room_id"].(string)
	}
	h.open = create("web", map[string]any{})
	encrypted := create("ios", map[string]any{"initial_state": []any{map[string]any{"type": "m.room.encryption", "content": map[string]any{"algorithm": "m.megolm.v1.aes-sha2"}}}})
	create("plain", map[string]any{}) // nobody says anything in it
	for _, user := range people {
		for _, room := range []string{h.open, encrypted} {
			h.as(t, user, http.MethodPost, "/_matrix/client/v3/rooms/"+url.PathEscape(room)+"/join", struct{}{})
		}
		h.say(t, user, "hello")
		h.send(t, user, encrypted, "m.room.encrypted", map[string]any{"algorithm": "m.megolm.v1.aes-sha2", "ciphertext": "x", "session_id": "s", "sender_key": "k", "device_id": "d"})
		h.as(t, user, http.MethodGet, "/_matrix/client/v3/sync?timeout=0", nil)
	}

	guest := h.call(t, http.MethodPost, "/_matrix/client/v3/register?kind=guest", "", agents()["web"], struct{}{})
	h.call(t, http.MethodGet, "/_matrix/client/v3/account/whoami", guest["access_token"].(string), agents()["web"], nil)
	bridged := h.call(t, http.MethodPost, "/_matrix/client/v3/register", secret, "bridge", map[string]any{"type": "m.login.application_service", "username": "bridged_1"})
	h.call(t, http.MethodGet, "/_matrix/client/v3/account/whoami", bridged["access_token"].(string), "bridge", nil)
	h.as(t, "faithful", http.MethodPost, "/_synapse/admin/v1/deactivate/"+url.PathEscape("@removed:"+homeserverName), map[string]any{"erase": false})
}
