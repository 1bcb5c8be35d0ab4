package lua

import "strings"

// inClass says whether a character is in a class such as %a, in the C locale. A
// capital letter is the opposite; what is no class stands for itself.
func inClass(c, class byte) bool {
	in := classOf(class | 0x20)
	if in == nil || !alphabetic(class) {
		return class == c
	}
	return in(c) == (class >= 'a')
}

// classOf returns what decides whether a character is in the class of a small
// letter, nil for none.
func classOf(class byte) func(c byte) bool {
	i := strings.IndexByte("acdglpsuwxz", class) // z is of older versions
	if i < 0 {
		return nil
	}
	return [...]func(c byte) bool{
		alphabetic,
		func(c byte) bool { return c < 0x20 || c == 0x7f },
		digit,
		printed,
		func(c byte) bool { return c >= 'a' && c <= 'z' },
		func(c byte) bool { return printed(c) && !alphabetic(c) && !digit(c) },
		func(c byte) bool { return strings.IndexByte(spaces, c) >= 0 },
		func(c byte) bool { return c >= 'A' && c <= 'Z' },
		func(c byte) bool { return alphabetic(c) || digit(c) },
		hexadecimal,
		func(c byte) bool { return c == 0 },
	}[i]
}

func printed(c byte) bool { return c > 0x20 && c < 0x7f }

func alphabetic(c byte) bool { return c|0x20 >= 'a' && c|0x20 <= 'z' }
