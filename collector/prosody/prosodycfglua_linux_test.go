package prosody_test

import (
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"

	"active_users_exporter/collector/prosody"
	"active_users_exporter/config/configtest"
	"active_users_exporter/test/must"
)

// asNobody runs a function without the rights of root.
func asNobody(f func()) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		// The thread ends with the goroutine, since it stays locked to it.
		runtime.LockOSThread()
		if os.Geteuid() == 0 {
			_ = syscall.Setfsuid(65534)
		}
		f()
	}()
	<-done
}

// TestFilesThatMayNotBeRead: Prosody reads them, so what is in them is missing
// here, which is said rather than passed over, and no pcall hides it.
func TestFilesThatMayNotBeRead(t *testing.T) {
	for content, says := range map[string]string{
		`Include "missing.d/*.cfg.lua" VirtualHost "a"`:        "missing.d does not exist",
		`Include "missing.lua" VirtualHost "a"`:                "missing.lua does not exist",
		`Include "conf.d" VirtualHost "a"`:                     "conf.d: it is a folder, not a file",
		`Include "closed.d/*.cfg.lua" VirtualHost "a"`:         "prosody.cfg.lua:1:1: @/closed.d: the exporter may not list the folder: give it the right",
		`Include "closed.d/x.cfg.lua" VirtualHost "a"`:         "@/closed.d/x.cfg.lua: the exporter may not read it: give it the right",
		`pcall(Include, "closed.lua") VirtualHost "a"`:         "@/closed.lua: the exporter may not read it",
		`secret = FileLine("closed.lua")`:                      "@/closed.lua: the exporter may not read it",
		`f = io.open("@/closed.lua")`:                          "@/closed.lua: the exporter may not read it",
		`m = require "lfs".attributes("@/closed.d/x.cfg.lua")`: "may not look at the file @/closed.d/x.cfg.lua",
		`for f in require "lfs".dir("@/closed.d") do end`:      "may not list the folder @/closed.d",
	} {
		directory := configtest.Files(t, map[string]string{"prosody.cfg.lua": "", "conf.d/x": "", "closed.d/x.cfg.lua": "", "closed.lua": ""})
		must.Succeed(t, os.Chmod(filepath.Dir(directory), 0o755))
		must.Succeed(t, os.Chmod(directory, 0o755))
		place := strings.NewReplacer("@", directory)
		for file, mode := range map[string]os.FileMode{"prosody.cfg.lua": 0o644, "closed.lua": 0, "closed.d": 0} {
			if file == "prosody.cfg.lua" {
				must.Succeed(t, os.WriteFile(directory+"/"+file, []byte(place.Replace(content)), 0o600))
			}
			must.Succeed(t, os.Chmod(directory+"/"+file, mode))
		}
		var err error
		asNobody(func() { _, _, err = prosody.Kind().At(directory + "/prosody.cfg.lua") })
		must.Succeed(t, os.Chmod(directory+"/closed.d", 0o700))
		if err == nil || !strings.Contains(err.Error(), place.Replace(says)) {
			t.Errorf("%s: error %v, want one that says %q", content, err, place.Replace(says))
		}
	}
}
