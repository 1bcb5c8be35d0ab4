package test

import (
	"bufio"
	"io"
	"net/http"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"testing"

	"active_users_exporter/test/must"
)

// The demo says where it is only when a request there is answered with figures.
func TestDemoIsThereOnceItSaysSo(t *testing.T) {
	t.Parallel()
	demo := exec.CommandContext(t.Context(), program, "demo", "--web.listen-address=127.0.0.1:0")
	output, err := demo.StdoutPipe()
	must.Succeed(t, err)
	must.Succeed(t, demo.Start())
	defer func() {
		_ = demo.Process.Signal(os.Interrupt) // it takes its records away
		_ = demo.Wait()
	}()
	line, err := bufio.NewReader(output).ReadString('\n')
	must.Succeed(t, err)
	metrics := regexp.MustCompile(`http://127\.0\.0\.1:\d+/metrics`).FindString(line)
	if metrics == "" {
		t.Fatalf("the demo said %q", line)
	}
	response, err := http.Get(metrics)
	must.Succeed(t, err)
	defer func() { _ = response.Body.Close() }()
	body, err := io.ReadAll(response.Body)
	must.Succeed(t, err)
	for _, want := range []string{
		`chat_server_up{server="matrix"} 1`,
		`chat_server_up{server="garden"} 1`,
		`dendrite_daily_messages{homeserver="garden.demo.example"} `,
		`chat_server_up{server="xmpp"} 1`,
		"\nchat_r30v2_users{",
		`synapse_usage_daily_active_users{homeserver="river.example"} `,
	} {
		if !strings.Contains(string(body), want) {
			t.Errorf("no %s in the demo's metrics", want)
		}
	}
}
