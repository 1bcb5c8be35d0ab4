// Package compose_test checks the files for Docker Compose with Compose's own
// library.
package compose_test

import (
	"context"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/compose-spec/compose-go/v2/cli"
	"github.com/compose-spec/compose-go/v2/types"
)

// load reads a file as docker compose does: by its schema, with names that lead
// somewhere, and paths beside the file.
func load(t *testing.T, file string) *types.Project {
	t.Helper()
	options, err := cli.NewProjectOptions([]string{file}, cli.WithName("test"))
	if err != nil {
		t.Fatal(err)
	}
	project, err := options.LoadProject(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	return project
}

func files(t *testing.T) []string {
	t.Helper()
	found, err := filepath.Glob("../../../packaging/compose/*.yaml")
	if err != nil || len(found) != 2 {
		t.Fatalf("the files are %v, %v; want 2", found, err)
	}
	return append(found, "../../../compose.yaml")
}

// Made by the user, as docs/docker.md says.
var madeByTheUser = []string{"secrets/synapse", "secrets/exporter", "certs"}

// Every image has a version, every file that is mounted is there and read-only.
func TestFilesLoad(t *testing.T) {
	version := regexp.MustCompile(`:v?[0-9]+\.[0-9]+(\.[0-9]+)?$`)
	for _, file := range files(t) {
		t.Run(filepath.Base(file), func(t *testing.T) {
			project := load(t, file)
			folder, err := filepath.Abs(filepath.Dir(file))
			if err != nil {
				t.Fatal(err)
			}
			there := func(path string) {
				t.Helper()
				relative, err := filepath.Rel(folder, path)
				if _, missing := os.Stat(path); err != nil || (missing != nil && !slices.Contains(madeByTheUser, relative)) {
					t.Errorf("%s is not there", path)
				}
			}
			for name, service := range project.Services {
				if !version.MatchString(service.Image) && service.Build == nil {
					t.Errorf("%s: the image %s has no version", name, service.Image)
				}
				if service.Privileged || service.NetworkMode == "host" || service.Pid != "" {
					t.Errorf("%s may do what a container may not", name)
				}
				for _, volume := range service.Volumes {
					if volume.Type == types.VolumeTypeBind {
						there(volume.Source)
						if !volume.ReadOnly {
							t.Errorf("%s: %s can be written", name, volume.Source)
						}
					}
					if strings.Contains(volume.Source, "docker.sock") {
						t.Errorf("%s has Docker's socket", name)
					}
				}
			}
			for _, secret := range project.Secrets {
				there(secret.File)
			}
		})
	}
}

// The exporter beside a chat server may read what it counts and write its own
// history, and nothing else.
func TestTheExporterHasTheLeastPrivilege(t *testing.T) {
	for _, file := range files(t)[:2] {
		t.Run(filepath.Base(file), func(t *testing.T) {
			project := load(t, file)
			exporter, err := project.GetService("exporter")
			if err != nil {
				t.Fatal(err)
			}
			if !exporter.ReadOnly || !slices.Equal(exporter.CapDrop, []string{"ALL"}) || len(exporter.CapAdd) > 0 || !slices.Contains(exporter.SecurityOpt, "no-new-privileges:true") || exporter.User != "" {
				t.Errorf("read-only root %v, without the capabilities %v, with %v, options %v, user %q", exporter.ReadOnly, exporter.CapDrop, exporter.CapAdd, exporter.SecurityOpt, exporter.User)
			}
			for _, port := range exporter.Ports {
				if port.HostIP != "127.0.0.1" {
					t.Errorf("its figures are open to the network: %+v", port)
				}
			}
			for _, volume := range exporter.Volumes {
				if !volume.ReadOnly && volume.Target != "/data" {
					t.Errorf("it can write %s", volume.Target)
				}
			}
			// What its command names is mounted.
			for _, argument := range exporter.Command {
				_, path, _ := strings.Cut(argument, "/")
				if path = "/" + path; path == "/" {
					continue
				}
				if !slices.ContainsFunc(exporter.Volumes, func(v types.ServiceVolumeConfig) bool { return v.Target == path }) {
					t.Errorf("%s: nothing is mounted there", argument)
				}
			}
			for _, secret := range exporter.Secrets {
				if secret.Source != "exporter" {
					t.Errorf("it has the secret %s", secret.Source)
				}
			}
		})
	}
}
