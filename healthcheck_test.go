package main

import (
	"bytes"
	"context"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"

	"github.com/go-kit/log"

	"active_users_exporter/test/must"
	"active_users_exporter/web"
)

func TestHealthcheck(t *testing.T) {
	exporter, _ := newTestExporter(t, "servers: [{software: prosody, from: nowhere}]\n")
	if err := exporter.Reload(t.Context()); err != nil {
		t.Fatal(err)
	}
	healthy := httptest.NewServer(exporter.Pages(web.Options{TelemetryPath: "/metrics"}))
	defer healthy.Close()
	ill := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		http.Error(w, "no", http.StatusServiceUnavailable)
	}))
	defer ill.Close()
	gone := httptest.NewServer(http.NotFoundHandler())
	gone.Close()

	for _, test := range []struct {
		name, url string
		code      int
		says      string
	}{
		{"healthy", healthy.URL + "/-/healthy", exitOK, "healthy\n"},
		{"no such page", healthy.URL + "/-/nonsense", exitFault, "the answer is 404 Not Found"},
		{"ill", ill.URL, exitFault, "the answer is 503 Service Unavailable"},
		{"nobody listens", gone.URL, exitFault, "not healthy: Get"},
		{"no URL", "http://[", exitUsage, "--url: missing ']' in host"},
	} {
		t.Run(test.name, func(t *testing.T) {
			var stdout, stderr bytes.Buffer
			code := run([]string{"healthcheck", "--url=" + test.url}, &stdout, &stderr)
			if said := stdout.String() + stderr.String(); code != test.code || !strings.Contains(said, test.says) {
				t.Errorf("exit code %d, %q; want %d, %q", code, said, test.code, test.says)
			}
		})
	}
}

// A listener with TLS, a password or client certificates is healthy by the flags that serve
// has, or by those of the healthcheck alone; another server at its address is not.
func TestHealthcheckOfAProtectedListener(t *testing.T) {
	folder := t.TempDir()
	file := func(name string) string { return filepath.Join(folder, name) }
	must.WriteCertificate(t, file("cert.pem"), file("key.pem"), "chat.example.org") // not for 127.0.0.1
	must.WriteCertificate(t, file("other.pem"), file("other-key.pem"))
	must.WriteCertificate(t, file("client.pem"), file("client-key.pem"), "client")
	must.WriteFile(t, file("password"), "secret\n")
	must.WriteFile(t, file("wrong"), "wrong\n")
	const users = "basic_auth_users: {prometheus: $2a$04$cWaO189CnIh/7NzX/LFrcemqSVXfKQO6q3oEkgtnFTVqPTYRUipQe}\n" // secret
	files := map[string]string{
		"plain.yml": "", "users.yml": users, "tls.yml": "tls_server_config: {cert_file: cert.pem, key_file: key.pem}\n",
		"both.yml":    "tls_server_config: {cert_file: cert.pem, key_file: key.pem, min_version: TLS12}\n" + users,
		"clients.yml": "tls_server_config: {cert_file: cert.pem, key_file: key.pem, client_auth_type: RequireAndVerifyClientCert, client_ca_file: client.pem}\n",
		"own.yml":     "tls_server_config: {cert_file: cert.pem, key_file: key.pem, client_auth_type: RequireAndVerifyClientCert, client_ca_file: cert.pem}\n",
		"other.yml":   "tls_server_config: {cert_file: other.pem, key_file: other-key.pem}\n",
	}
	addresses := make(map[string]string)
	for name, content := range files {
		must.WriteFile(t, file(name), content)
		addresses[name] = startListener(t, "--web.config.file="+file(name))
	}
	for _, c := range []struct {
		name, listener string
		arguments      []string // with FOLDER for the folder and ADDRESS for that of the listener
		code           int
		says           string
	}{
		{"plain", "plain.yml", nil, exitOK, "healthy\n"},
		{"TLS", "tls.yml", []string{"--web.config.file=FOLDER/tls.yml"}, exitOK, "healthy\n"},
		{"TLS by its name", "tls.yml", []string{"--web.config.file=FOLDER/tls.yml", "--url=https://ADDRESS/-/ready"}, exitOK, "healthy\n"},
		{"TLS without the file", "tls.yml", []string{"--url=https://ADDRESS/-/healthy"}, exitFault, "give the --web.config.file of serve"},
		{"another certificate", "other.yml", []string{"--web.config.file=FOLDER/tls.yml"}, exitFault, "certificate signed by unknown authority"},
		{"a password that is not known", "users.yml", []string{"--web.config.file=FOLDER/users.yml"}, exitOK, "healthy: it asks for a password"},
		{"a password that nobody expects", "users.yml", nil, exitFault, "not known: the exporter asks for a password"},
		{"another page than the healthy one", "users.yml", []string{"--web.config.file=FOLDER/users.yml", "--url=http://ADDRESS/-/ready"}, exitFault, "not known: the exporter asks for a password"},
		{"the right password", "both.yml", []string{"--web.config.file=FOLDER/both.yml", "--url=https://prometheus@ADDRESS/-/ready", "--password-file=FOLDER/password"}, exitOK, "healthy\n"},
		{"a wrong password", "both.yml", []string{"--web.config.file=FOLDER/both.yml", "--url=https://prometheus@ADDRESS/-/healthy", "--password-file=FOLDER/wrong"}, exitFault, "not healthy: the answer is 401"},
		{"a password without a user", "both.yml", []string{"--web.config.file=FOLDER/both.yml", "--password-file=FOLDER/password"}, exitUsage, "--url names no user"},
		{"a client certificate", "clients.yml", []string{"--web.config.file=FOLDER/clients.yml", "--client-cert-file=FOLDER/client.pem", "--client-key-file=FOLDER/client-key.pem"}, exitOK, "healthy\n"},
		{"no client certificate", "clients.yml", []string{"--web.config.file=FOLDER/clients.yml"}, exitFault, "certificate"},
		{"its own certificate as that of a client", "own.yml", []string{"--web.config.file=FOLDER/own.yml"}, exitOK, "healthy\n"},
		{"no file", "plain.yml", []string{"--web.config.file=FOLDER/nowhere.yml"}, exitUsage, "--web.config.file="},
		{"no client certificate there", "plain.yml", []string{"--client-cert-file=FOLDER/nowhere.pem"}, exitUsage, "--client-cert-file="},
	} {
		t.Run(c.name, func(t *testing.T) {
			arguments := []string{"healthcheck", "--web.listen-address=" + addresses[c.listener]}
			for _, argument := range c.arguments {
				arguments = append(arguments, strings.NewReplacer("FOLDER", folder, "ADDRESS", addresses[c.listener]).Replace(argument))
			}
			var out, log bytes.Buffer
			if code := run(arguments, &out, &log); code != c.code || !strings.Contains(out.String()+log.String(), c.says) || strings.Contains(log.String(), "secret") {
				t.Errorf("exit code %d, %q; want %d, %q", code, out.String()+log.String(), c.code, c.says)
			}
		})
	}
}

// startListener serves pages that are all healthy until the test ends, and returns the
// address.
func startListener(t *testing.T, arguments ...string) string {
	t.Helper()
	ctx, stop := context.WithCancel(context.WithoutCancel(t.Context()))
	addresses, ended := make(chan net.Addr, 1), make(chan error, 1)
	healthy := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "ok") })
	e := environment{logger: log.NewNopLogger(), slogger: slog.New(slog.DiscardHandler)}
	flags := testWebFlags(t, append(arguments, "--web.listen-address=127.0.0.1:0")...)
	go func() { ended <- listen(ctx, healthy, flags, func(a net.Addr) { addresses <- a }, e) }()
	t.Cleanup(func() {
		stop()
		must.Succeed(t, <-ended)
	})
	return (<-addresses).String()
}

// The page to ask for is that of the listener, on this machine.
func TestHealthcheckFindsTheListener(t *testing.T) {
	for address, want := range map[string]string{
		":10052": "http://127.0.0.1:10052/-/healthy", "0.0.0.0:1": "http://127.0.0.1:1/-/healthy", "[::]:1": "http://127.0.0.1:1/-/healthy",
		"10.0.0.7:1": "http://10.0.0.7:1/-/healthy", "[::1]:1": "http://[::1]:1/-/healthy", "localhost:1": "http://localhost:1/-/healthy",
	} {
		if got := (webListener{}).page(address); got != want {
			t.Errorf("%s: %s, want %s", address, got, want)
		}
	}
}
