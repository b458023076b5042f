package main

import (
	"bytes"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"sort"
	"strings"
	"text/template"

	"github.com/xeipuuv/gojsonschema"
	"sigs.k8s.io/yaml"
)

// File is a file of a chart, its path relative to the chart.
type File struct{ Path, Text string }

// Chart is a chart as read from its folder.
type Chart struct {
	Meta     map[string]interface{}
	Defaults map[string]interface{}
	Files    []File
}

// Release is .Release of templates.
type Release struct {
	Name, Namespace, Service string
	IsInstall, IsUpgrade     bool
	Revision                 int
}

func loadChart(root string) (*Chart, error) {
	chart := &Chart{Meta: map[string]interface{}{}, Defaults: map[string]interface{}{}}
	err := filepath.Walk(root, func(file string, info os.FileInfo, err error) error {
		if err != nil || info.IsDir() {
			return err
		}
		text, err := os.ReadFile(file)
		if err != nil {
			return err
		}
		relative, err := filepath.Rel(root, file)
		chart.Files = append(chart.Files, File{filepath.ToSlash(relative), string(text)})
		return err
	})
	if err != nil {
		return nil, err
	}
	raw := map[string]interface{}{}
	if err := yaml.UnmarshalStrict([]byte(chart.text("Chart.yaml")), &raw); err != nil {
		return nil, fmt.Errorf("Chart.yaml: %w", err)
	}
	for key, value := range raw {
		chart.Meta[strings.ToUpper(key[:1])+key[1:]] = value
	}
	if err := yaml.UnmarshalStrict([]byte(chart.text("values.yaml")), &chart.Defaults); err != nil {
		return nil, fmt.Errorf("values.yaml: %w", err)
	}
	return chart, nil
}

func (c *Chart) text(name string) string {
	for _, file := range c.Files {
		if file.Path == name {
			return file.Text
		}
	}
	return ""
}

func (c *Chart) under(folder string) (found []File) {
	for _, file := range c.Files {
		if strings.HasPrefix(file.Path, folder) {
			found = append(found, file)
		}
	}
	return found
}

// values are the defaults with files and settings laid over them, checked against values.schema.json.
func (c *Chart) values(files, sets []string) (map[string]interface{}, error) {
	values := c.Defaults
	for _, name := range files {
		text, err := os.ReadFile(name)
		if err != nil {
			return nil, err
		}
		over := map[string]interface{}{}
		if err := yaml.Unmarshal(text, &over); err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		values = merge(values, over)
	}
	for _, set := range sets {
		over, err := setting(set)
		if err != nil {
			return nil, err
		}
		values = merge(values, over)
	}
	return values, c.validate(values)
}

// setting reads PATH=YAML.
func setting(text string) (map[string]interface{}, error) {
	parts := strings.SplitN(text, "=", 2)
	if len(parts) != 2 {
		return nil, fmt.Errorf("%q is not PATH=YAML", text)
	}
	var value interface{}
	if err := yaml.Unmarshal([]byte(parts[1]), &value); err != nil {
		return nil, fmt.Errorf("%s: %w", text, err)
	}
	keys := strings.Split(parts[0], ".")
	for i := len(keys) - 1; i >= 0; i-- {
		value = map[string]interface{}{keys[i]: value}
	}
	return value.(map[string]interface{}), nil
}

// merge lays one map over another as Helm does: null removes a default.
func merge(base, over map[string]interface{}) map[string]interface{} {
	merged := map[string]interface{}{}
	for key, value := range base {
		merged[key] = value
	}
	for key, value := range over {
		inner, isMap := value.(map[string]interface{})
		old, wasMap := merged[key].(map[string]interface{})
		switch {
		case value == nil:
			delete(merged, key)
		case isMap && wasMap:
			merged[key] = merge(old, inner)
		default:
			merged[key] = value
		}
	}
	return merged
}

func (c *Chart) validate(values map[string]interface{}) error {
	schema := c.text("values.schema.json")
	if schema == "" {
		return nil
	}
	result, err := gojsonschema.Validate(gojsonschema.NewStringLoader(schema), gojsonschema.NewGoLoader(values))
	if err != nil {
		return fmt.Errorf("values.schema.json: %w", err)
	}
	var problems []string
	for _, problem := range result.Errors() {
		problems = append(problems, "- "+problem.String())
	}
	if len(problems) > 0 {
		sort.Strings(problems)
		return fmt.Errorf("values don't meet the specifications of the schema(s):\n%s", strings.Join(problems, "\n"))
	}
	return nil
}

// render runs every template; those whose names begin with _ only define others, and NOTES.txt is no object.
func (c *Chart) render(values map[string]interface{}, release Release, kube string, served []string) ([]File, error) {
	root := template.New("chart").Option("missingkey=zero")
	root.Funcs(functions(root))
	templates := c.under("templates/")
	for _, file := range templates {
		if _, err := root.New(file.Path).Parse(file.Text); err != nil {
			return nil, err
		}
	}
	var rendered []File
	for _, file := range templates {
		name := path.Base(file.Path)
		if strings.HasPrefix(name, "_") {
			continue
		}
		data := map[string]interface{}{
			"Values": values, "Release": release, "Chart": c.Meta, "Files": chartFiles(c.Files),
			"Capabilities": capabilities(kube, served), "Template": map[string]string{"Name": file.Path, "BasePath": "templates"},
		}
		var out bytes.Buffer
		if err := root.ExecuteTemplate(&out, file.Path, data); err != nil {
			return nil, err
		}
		if name == "NOTES.txt" {
			continue
		}
		rendered = append(rendered, File{file.Path, strings.ReplaceAll(out.String(), "<no value>", "")})
	}
	return rendered, nil
}
