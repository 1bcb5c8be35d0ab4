package packaging_test

import (
	"crypto/ecdsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"

	"active_users_exporter/collector/sqldb/dbtest"
	"active_users_exporter/test/must"
)

// run runs a command that must succeed, or must fail, and returns what it said.
func run(t *testing.T, succeeds bool, name string, arguments ...string) string {
	t.Helper()
	out, err := exec.Command(name, arguments...).CombinedOutput()
	if (err == nil) != succeeds {
		t.Fatalf("%s %s: %v: %s", name, strings.Join(arguments, " "), err, out)
	}
	return string(out)
}

// release writes two files, their checksums and their provenance as
// packaging/release does.
func release(t *testing.T) (folder string) {
	t.Helper()
	folder = t.TempDir()
	var sums string
	for _, name := range []string{"exporter-1.linux-amd64.tar.gz", "exporter_1_amd64.deb"} {
		must.WriteFile(t, filepath.Join(folder, name), name)
		sums += fmt.Sprintf("%x  %s\n", sha256.Sum256([]byte(name)), name)
	}
	must.WriteFile(t, filepath.Join(folder, "SHA256SUMS"), sums)
	statement := run(t, true, "python3", "provenance.py", folder, "0123456789012345678901234567890123456789", "2026-01-02T03:04:05Z")
	must.WriteFile(t, filepath.Join(folder, "exporter-1.provenance.json"), statement)
	return folder
}

// The statement of provenance is one of in-toto with SLSA's predicate: it names
// the files, the commit, Go, and every module by a digest.
func TestProvenance(t *testing.T) {
	var statement struct {
		Type          string `json:"_type"`
		PredicateType string `json:"predicateType"`
		Subject       []struct {
			Name   string
			Digest map[string]string
		}
		Predicate struct {
			BuildDefinition struct {
				BuildType            string
				ExternalParameters   map[string]any
				InternalParameters   map[string]string
				ResolvedDependencies []struct {
					Name, URI string
					Digest    map[string]string
				}
			}
			RunDetails struct {
				Builder  struct{ ID string }
				Metadata map[string]string
			}
		}
	}
	decoder := json.NewDecoder(strings.NewReader(must.ReadFile(t, filepath.Join(release(t), "exporter-1.provenance.json"))))
	decoder.DisallowUnknownFields()
	must.Succeed(t, decoder.Decode(&statement))
	if statement.Type != "https://in-toto.io/Statement/v1" || statement.PredicateType != "https://slsa.dev/provenance/v1" {
		t.Errorf("the statement is of the type %s with the predicate %s", statement.Type, statement.PredicateType)
	}
	if s := statement.Subject; len(s) != 2 || s[1].Name != "exporter_1_amd64.deb" || s[1].Digest["sha256"] != fmt.Sprintf("%x", sha256.Sum256([]byte("exporter_1_amd64.deb"))) {
		t.Errorf("the subjects are %v", s)
	}
	build := statement.Predicate.BuildDefinition
	if build.BuildType == "" || statement.Predicate.RunDetails.Builder.ID == "" || !strings.HasPrefix(build.InternalParameters["go"], "go1.") {
		t.Errorf("build type %q, builder %q, Go %q", build.BuildType, statement.Predicate.RunDetails.Builder.ID, build.InternalParameters["go"])
	}
	if !slices.Equal(build.ExternalParameters["architectures"].([]any), []any{"amd64"}) {
		t.Errorf("the architectures are %v; want amd64", build.ExternalParameters)
	}
	materials := build.ResolvedDependencies
	if len(materials) < 20 || materials[0].Digest["gitCommit"] != "0123456789012345678901234567890123456789" {
		t.Fatalf("%d dependencies, the first is %v; want the commit and 20 modules or more", len(materials), materials)
	}
	for _, m := range materials[1:] {
		if !strings.HasPrefix(m.URI, "pkg:golang/") || m.Digest["dirHash"] == "" {
			t.Errorf("a module without its digest: %v", m)
		}
	}
}

// What packaging/sign signs is what Go's own cryptography verifies, and
// packaging/verify refuses whatever was changed afterwards.
func TestSignatures(t *testing.T) {
	if _, err := exec.LookPath("openssl"); err != nil {
		dbtest.Missing(t, "openssl is not installed")
	}
	folder, keys := release(t), t.TempDir()
	private, public, other := filepath.Join(keys, "key.pem"), filepath.Join(keys, "public.pem"), filepath.Join(keys, "other.pem")
	for _, key := range []string{private, other} {
		run(t, true, "openssl", "genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256", "-out", key)
	}
	run(t, true, "openssl", "pkey", "-in", private, "-pubout", "-out", public)
	run(t, true, "openssl", "pkey", "-in", other, "-pubout", "-out", other+".pub")
	run(t, true, "./sign", folder, private)
	run(t, true, "./verify", folder, public)
	run(t, false, "./verify", folder, other+".pub")

	block, _ := pem.Decode([]byte(must.ReadFile(t, public)))
	key := must.Get(x509.ParsePKIXPublicKey(block.Bytes))(t).(*ecdsa.PublicKey)
	verified := func(message, signature string) bool {
		sum := sha256.Sum256([]byte(message))
		return ecdsa.VerifyASN1(key, sum[:], must.Get(base64.StdEncoding.DecodeString(signature))(t))
	}
	if !verified(must.ReadFile(t, filepath.Join(folder, "SHA256SUMS")), must.ReadFile(t, filepath.Join(folder, "SHA256SUMS.sig"))) {
		t.Error("the signature of SHA256SUMS is wrong")
	}
	var envelope struct {
		PayloadType, Payload string
		Signatures           []struct{ Sig string }
	}
	must.Succeed(t, json.Unmarshal([]byte(must.ReadFile(t, filepath.Join(folder, "provenance.intoto.jsonl"))), &envelope))
	payload := string(must.Get(base64.StdEncoding.DecodeString(envelope.Payload))(t))
	// The encoding before authentication of DSSE, by its definition.
	pae := fmt.Sprintf("DSSEv1 %d %s %d %s", len(envelope.PayloadType), envelope.PayloadType, len(payload), payload)
	if payload != must.ReadFile(t, filepath.Join(folder, "exporter-1.provenance.json")) || len(envelope.Signatures) != 1 || !verified(pae, envelope.Signatures[0].Sig) {
		t.Error("the envelope of the provenance is wrong")
	}

	for _, name := range []string{"exporter_1_amd64.deb", "SHA256SUMS", "SHA256SUMS.sig", "provenance.intoto.jsonl"} {
		changed := t.TempDir()
		must.Succeed(t, os.CopyFS(changed, os.DirFS(folder)))
		text := must.ReadFile(t, filepath.Join(changed, name))
		middle, other := len(text)/2, "A"
		if text[middle:middle+1] == other {
			other = "B"
		}
		must.WriteFile(t, filepath.Join(changed, name), text[:middle]+other+text[middle+1:])
		run(t, false, "./verify", changed, public)
	}
}

// A package is what nfpm.yaml says of one file or folder.
type packaged struct {
	Src, Dst, Type, Packager string
}

const documents = "/usr/share/doc/active-users-exporter/"

// Every document in the packages leads only to what is in the packages as well,
// in the same folders as here.
func TestLinksInPackages(t *testing.T) {
	var file struct{ Contents []packaged }
	must.Succeed(t, yaml.Unmarshal([]byte(must.ReadFile(t, "nfpm.yaml")), &file))
	t.Chdir("..")
	var inside []string // paths below documents
	for _, content := range file.Contents {
		to, ok := strings.CutPrefix(content.Dst, documents)
		if !ok || strings.Contains(content.Src, "${") {
			continue
		}
		found := must.Get(filepath.Glob(content.Src))(t)
		if len(found) == 0 {
			t.Errorf("%s is not there", content.Src)
		}
		for _, source := range found {
			if strings.HasSuffix(content.Dst, "/") {
				inside = append(inside, path.Join(to, path.Base(source)))
			} else {
				inside = append(inside, to)
			}
			if inside[len(inside)-1] != path.Clean(source) {
				t.Errorf("%s becomes %s: links to it break", source, inside[len(inside)-1])
			}
		}
	}
	links := 0
	for _, document := range inside {
		if path.Ext(document) != ".md" {
			continue
		}
		for _, m := range regexp.MustCompile(`\]\(([^)\s#]+)[^)]*\)`).FindAllStringSubmatch(must.ReadFile(t, document), -1) {
			if strings.Contains(m[1], "://") {
				continue
			}
			links++
			target := path.Join(path.Dir(document), m[1])
			if !slices.ContainsFunc(inside, func(p string) bool {
				return p == target || strings.HasPrefix(target, p+"/") || strings.HasPrefix(p, target+"/")
			}) {
				t.Errorf("%s links to %s, which no package has", document, target)
			}
		}
	}
	if links < 20 {
		t.Errorf("%d links in packaged documents; want 20 or more", links)
	}
}

// The scripts of the packages are shell, and each has its place.
func TestScriptsOfPackages(t *testing.T) {
	found := 0
	for _, pattern := range []string{"deb/*", "rpm/*", "apk/*"} {
		for _, script := range must.Get(filepath.Glob(pattern))(t) {
			found++
			run(t, true, "sh", "-n", script)
			if !strings.Contains(must.ReadFile(t, "nfpm.yaml"), "packaging/"+script) {
				t.Errorf("no package has %s", script)
			}
		}
	}
	if found < 8 {
		t.Errorf("%d scripts; want 8 or more", found)
	}
}
