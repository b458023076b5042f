using System.CommandLine;

namespace Dora.Operator.Cli;

/// <summary>Options that several commands share.</summary>
internal static class CommonOptions
{
    public static Option<string> ImageRepository() => new("--image-repository")
    {
        Description = "Registry and path in front of the engines' image names.",
        DefaultValueFactory = _ => Environment.GetEnvironmentVariable("DORA_IMAGE_REPOSITORY") ?? new Engines.ImageSource().Repository,
    };
}
