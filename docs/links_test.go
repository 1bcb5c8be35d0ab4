// Package docs_test checks the documents, and makes those that are generated.
package docs_test

import (
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"unicode"

	"active_users_exporter/test/must"
)

// Every relative link in a Markdown file leads to a file, and to a heading in
// it if it names one.
func TestLinks(t *testing.T) {
	t.Chdir("..")
	link := regexp.MustCompile(`\]\(([^)\s]+)\)`)
	var files []string
	err := filepath.WalkDir(".", func(path string, entry fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case entry.IsDir() && (path == ".git" || path == "dist" || entry.Name() == "testdata" || entry.Name() == "node_modules"):
			return filepath.SkipDir
		case filepath.Ext(path) == ".md":
			files = append(files, path)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	links := 0
	for _, file := range files {
		for _, found := range link.FindAllStringSubmatch(must.ReadFile(t, file), -1) {
			target, err := url.Parse(found[1])
			if err != nil {
				t.Errorf("%s: %s: %v", file, found[1], err)
				continue
			}
			if target.IsAbs() {
				continue
			}
			links++
			path := file
			if target.Path != "" {
				path = filepath.Join(filepath.Dir(file), filepath.FromSlash(target.Path))
			}
			if _, err := os.Stat(path); err != nil {
				t.Errorf("%s: %s leads nowhere", file, found[1])
				continue
			}
			if target.Fragment != "" && !slices.Contains(anchors(must.ReadFile(t, path)), target.Fragment) {
				t.Errorf("%s: %s: there is no such heading", file, found[1])
			}
		}
	}
	if links < 10 {
		t.Errorf("only %d links were found in %d files", links, len(files))
	}
}

// anchors are the fragments by which headings are linked to, as GitHub makes
// them.
func anchors(markdown string) (all []string) {
	code := false
	for line := range strings.Lines(markdown) {
		if strings.HasPrefix(line, "```") {
			code = !code
		}
		heading, ok := strings.CutPrefix(strings.TrimLeft(line, "#"), " ")
		if code || !ok || !strings.HasPrefix(line, "#") {
			continue
		}
		all = append(all, strings.Map(func(r rune) rune {
			switch {
			case r == ' ':
				return '-'
			case r == '-' || r == '_' || unicode.IsLetter(r) || unicode.IsDigit(r):
				return unicode.ToLower(r)
			}
			return -1
		}, strings.TrimSpace(heading)))
	}
	return all
}
