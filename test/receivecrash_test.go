//go:build linux

package test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"active_users_exporter/test/must"
)

// receiving is a running exporter that receives reports.
type receiving struct {
	*exec.Cmd
	url, folder string
}

func startReceiving(t *testing.T) receiving {
	t.Helper()
	address, folder := freeAddress(t), t.TempDir()
	r := receiving{exec.CommandContext(t.Context(), program, "serve", "--storage.path="+folder,
		"--web.listen-address="+freeAddress(t), "--reports.listen-address="+address, "--log.level=error"), "http://" + address + "/push", folder}
	if err := r.Start(); err != nil {
		t.Fatal(err)
	}
	_ = must.Dial(t, address).Close()
	return r
}

// put pushes a report with a number, which distinguishes it from all others.
func (r receiving) put(client *http.Client, number int) (status int) {
	body := fmt.Sprintf(`{"homeserver":"s%d.example","total_users":%d,"padding":%q}`, number%1000, number, strings.Repeat("x", 650))
	request, err := http.NewRequest(http.MethodPut, r.url, strings.NewReader(body))
	if err != nil {
		return 0
	}
	response, err := client.Do(request)
	if err != nil {
		return 0
	}
	_ = response.Body.Close()
	return response.StatusCode
}

// stored returns the numbers of all reports that are exported afterwards.
func (r receiving) stored(t *testing.T) map[int]bool {
	t.Helper()
	all := make(map[int]bool)
	for line := range strings.Lines(output(t, "reports", "export", "--storage.path="+r.folder)) {
		var a struct {
			Report struct {
				Number int `json:"total_users"`
			}
		}
		if err := json.Unmarshal([]byte(line), &a); err != nil {
			t.Fatal(err)
		}
		all[a.Report.Number] = true
	}
	return all
}

// Stopped or killed under full load, of 64 connections, nothing that was
// acknowledged is missing. ACTIVE_USERS_TEST_REPORTS is how many are at least
// acknowledged before.
func TestNothingAcknowledgedIsLost(t *testing.T) {
	least := 2000
	if text := os.Getenv("ACTIVE_USERS_TEST_REPORTS"); text != "" {
		var err error
		if least, err = strconv.Atoi(text); err != nil {
			t.Fatalf("ACTIVE_USERS_TEST_REPORTS: %v", err)
		}
	}
	for name, signal := range map[string]syscall.Signal{"killed": syscall.SIGKILL, "stopped": syscall.SIGTERM} {
		t.Run(name, func(t *testing.T) {
			r := startReceiving(t)
			const connections = 64
			client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: connections}}
			defer client.CloseIdleConnections()
			var mutex sync.Mutex
			var acknowledged []int
			var wait sync.WaitGroup
			for connection := range connections {
				wait.Go(func() {
					for number := connection; ; number += connections {
						switch status := r.put(client, number); status {
						case 0:
							return
						case http.StatusOK:
						default:
							t.Errorf("status %d", status)
							return
						}
						mutex.Lock()
						if acknowledged = append(acknowledged, number); len(acknowledged) == least {
							_ = r.Process.Signal(signal)
						}
						mutex.Unlock()
					}
				})
			}
			wait.Wait()
			if err := r.Wait(); (err == nil) != (signal == syscall.SIGTERM) {
				t.Errorf("ended with %v", err)
			}
			stored, missing := r.stored(t), 0
			for _, number := range acknowledged {
				if !stored[number] {
					missing++
				}
			}
			t.Logf("%d acknowledged, %d stored, %d missing", len(acknowledged), len(stored), missing)
			if missing > 0 || len(acknowledged) < least {
				t.Errorf("of %d acknowledged %d are missing", len(acknowledged), missing)
			}
		})
	}
}

// Where nothing more can be written, nothing is acknowledged; with room again,
// all goes on by itself.
func TestFullDisk(t *testing.T) {
	r := startReceiving(t)
	defer func() {
		_ = r.Process.Signal(syscall.SIGTERM)
		_ = r.Wait()
	}()
	// No file may become larger: the error differs from that of a full disk, the
	// place does not.
	limit := func(size uint64) {
		if err := unix.Prlimit(r.Process.Pid, unix.RLIMIT_FSIZE, &unix.Rlimit{Cur: size, Max: unix.RLIM_INFINITY}, nil); err != nil {
			t.Fatal(err)
		}
	}
	const size = 200_000
	limit(size)
	var acknowledged []int
	refused := 0
	for number := range 400 {
		if number == 300 {
			limit(unix.RLIM_INFINITY)
		}
		switch status := r.put(http.DefaultClient, number); {
		case status == http.StatusOK:
			acknowledged = append(acknowledged, number)
		case status != http.StatusServiceUnavailable || number >= 300:
			t.Fatalf("status %d for report %d", status, number)
		default:
			refused++
		}
	}
	stored := r.stored(t)
	for _, number := range acknowledged {
		if !stored[number] {
			t.Errorf("report %d was acknowledged and is missing", number)
		}
	}
	if refused == 0 || len(stored) != len(acknowledged) {
		t.Errorf("%d refused, %d acknowledged, %d stored", refused, len(acknowledged), len(stored))
	}
}
