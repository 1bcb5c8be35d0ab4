package document

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"regexp"
	"strings"

	"go.yaml.in/yaml/v3"
)

// ParseYAML returns the one document of a chat server's own configuration file, nil
// if it is empty. Its errors name the line and quote no value, which may be a
// password.
func ParseYAML(file string, content []byte) (*yaml.Node, error) {
	decoder := yaml.NewDecoder(bytes.NewReader(content))
	var first, second yaml.Node
	switch err := decoder.Decode(&first); {
	case errors.Is(err, io.EOF):
		return nil, nil
	case err != nil:
		return nil, fmt.Errorf("%w%s", invalidYAML(file, err), WayAround)
	}
	switch err := decoder.Decode(&second); {
	case err == nil:
		return nil, fmt.Errorf("%s:%d: a second document after ---: the chat server takes one alone", file, second.Line)
	case !errors.Is(err, io.EOF):
		return nil, fmt.Errorf("%w%s", invalidYAML(file, err), WayAround)
	}
	return first.Content[0], nil
}

var yamlPlace = regexp.MustCompile(`^line (\d+): (.*)$`)

// WayAround ends the error of a configuration file of a chat server that cannot be
// read at all.
const WayAround = "; to do without this file, give the location of the database instead of it, as in postgres://USER@HOST/DATABASE"

// invalidYAML turns "yaml: line 3: did not find …" into "FILE:3: no valid YAML: …".
func invalidYAML(file string, err error) error {
	text := strings.TrimPrefix(err.Error(), "yaml: ")
	if place := yamlPlace.FindStringSubmatch(text); place != nil {
		return fmt.Errorf("%s:%s: no valid YAML: %s", file, place[1], place[2])
	}
	if strings.HasPrefix(text, "unknown anchor") {
		text += ": put a value that begins with * between quotation marks"
	}
	return fmt.Errorf("%s: no valid YAML: %s", file, text)
}

// DecodeYAML decodes a chat server's own configuration file into a structure.
// Nothing happens if it is empty. Its errors are like those of ParseYAML.
func DecodeYAML(file string, content []byte, into any) error {
	root, err := ParseYAML(file, content)
	if err != nil || root == nil {
		return err
	}
	if err := root.Decode(into); err != nil {
		reason := strings.TrimSpace(strings.TrimPrefix(err.Error(), "yaml: unmarshal errors:"))
		reason, _, _ = strings.Cut(reason, "\n")
		if place := yamlPlace.FindStringSubmatch(reason); place != nil {
			return fmt.Errorf("%s:%s: %s", file, place[1], quotedValue.ReplaceAllString(place[2], ""))
		}
		return fmt.Errorf("%s: values are not of the types that they should be", file)
	}
	return nil
}

// quotedValue is the beginning of a value that an error quotes, which may be secret.
var quotedValue = regexp.MustCompile("(?s) `.*`")
