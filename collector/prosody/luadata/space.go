package luadata

import "bytes"

// space skips blanks, line ends and comments.
func (s *scanner) space() error {
	for s.at < len(s.data) {
		switch c := s.data[s.at]; {
		case c == '\n':
			s.line++
			s.at++
		case c == ' ' || c == '\t' || c == '\r' || c == '\v' || c == '\f':
			s.at++
		case c == '-' && s.peekAt(1) == '-':
			s.at += 2
			if s.longBracketAhead() {
				if _, err := s.longString(); err != nil {
					return err
				}
				continue
			}
			s.toLineEnd()
		default:
			return nil
		}
	}
	return nil
}

// skipShebang skips a first line that begins with #, as Lua does for files.
func (s *scanner) skipShebang() {
	if s.peek() == '#' {
		s.toLineEnd()
	}
}

func (s *scanner) toLineEnd() {
	if end := bytes.IndexByte(s.data[s.at:], '\n'); end >= 0 {
		s.at += end
	} else {
		s.at = len(s.data)
	}
}

// name reads a word, nothing if there is none.
func (s *scanner) name() []byte {
	start := s.at
	for s.at < len(s.data) && isNameByte(s.data[s.at]) && (s.at > start || !isDigit(s.data[s.at])) {
		s.at++
	}
	return s.data[start:s.at]
}

func isNameByte(c byte) bool {
	return c == '_' || 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || isDigit(c)
}

func isDigit(c byte) bool { return '0' <= c && c <= '9' }

// reserved says whether a word of Lua is never a name.
func reserved(word []byte) bool {
	switch string(word) {
	case "and", "break", "do", "else", "elseif", "end", "false", "for", "function", "goto", "if", "in",
		"local", "nil", "not", "or", "repeat", "return", "then", "true", "until", "while":
		return true
	}
	return false
}
