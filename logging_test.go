package main

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"

	"github.com/alecthomas/kingpin/v2"
	"github.com/go-kit/log/level"

	"active_users_exporter/test/must"
)

// syncBuffer is a log that a test reads while it is written.
type syncBuffer struct {
	mu   sync.Mutex
	text strings.Builder
}

func (b *syncBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.Write(p)
}

func (b *syncBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.String()
}

// testWebFlags are the flags of the main listener, as a command line says.
func testWebFlags(t *testing.T, arguments ...string) webFlags {
	t.Helper()
	app := kingpin.New(program, "")
	flags := addWebFlags(app)
	must.Get(app.Parse(arguments))(t)
	return *flags
}

// The program, the toolkit and net/http write to the log, about a broken handshake or a
// handler that panics: each line has the same form.
func TestAllLinesOfTheLogAreAlike(t *testing.T) {
	folder := t.TempDir()
	must.WriteCertificate(t, filepath.Join(folder, "cert.pem"), filepath.Join(folder, "key.pem"))
	webConfig := filepath.Join(folder, "web.yml")
	must.WriteFile(t, webConfig, "tls_server_config: {cert_file: cert.pem, key_file: key.pem}\n")
	for format, line := range map[string]*regexp.Regexp{
		"logfmt": regexp.MustCompile(`^level=(info|warn|error) ts=\S+Z caller=\w+\.go:\d+ msg=`),
		"json":   regexp.MustCompile(`^\{.*"caller":"\w+\.go:\d+".*"level":"(info|warn|error)".*"msg":".*"ts":"\S+Z"\}$`),
	} {
		t.Run(format, func(t *testing.T) {
			log := new(syncBuffer)
			e := environment{stdout: io.Discard, stderr: log}
			e.logger, e.slogger = newLogger(log, format, "info")
			ctx, stop := context.WithCancel(t.Context())
			addresses, ended := make(chan net.Addr, 1), make(chan error, 1)
			flags := testWebFlags(t, "--web.listen-address=127.0.0.1:0", "--web.config.file="+webConfig)
			panics := http.HandlerFunc(func(http.ResponseWriter, *http.Request) { panic("a defect") })
			go func() { ended <- listen(ctx, panics, flags, func(a net.Addr) { addresses <- a }, e) }()
			_ = level.Info(e.logger).Log("msg", "ours")
			address := (<-addresses).String()
			connection := must.Dial(t, address)
			_, _ = io.WriteString(connection, "no handshake\r\n\r\n")
			_, _ = io.Copy(io.Discard, connection)
			client := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}}
			if response, err := client.Get("https://" + address + "/"); err == nil {
				_ = response.Body.Close()
				t.Error("a handler that panics has answered")
			}
			must.Happen(t, func() bool { return strings.Contains(log.String(), "a defect") })
			stop()
			must.Succeed(t, <-ended)
			text := log.String()
			for _, said := range []string{"ours", "Listening on", "TLS handshake error", "panic serving", "stopping"} {
				if !strings.Contains(text, said) {
					t.Errorf("nothing is logged about %q:\n%s", said, text)
				}
			}
			for one := range strings.Lines(text) {
				one = strings.TrimSuffix(one, "\n")
				if !line.MatchString(one) || format == "json" && !json.Valid([]byte(one)) {
					t.Errorf("a line that is not like the others: %s", one)
				}
				if strings.Contains(one, "panic serving") != strings.Contains(strings.ReplaceAll(one, `"`, ""), map[string]string{"logfmt": "level=error", "json": "level:error"}[format]) {
					t.Errorf("the wrong level: %s", one)
				}
			}
		})
	}
}
