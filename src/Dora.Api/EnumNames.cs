using System.Text.Json.Serialization;

namespace Dora.Api;

/// <summary>Reads and writes an enum by its names only: a number, or a number in a string, is an error.</summary>
public sealed class EnumNames<T>() : JsonStringEnumConverter<T>(namingPolicy: null, allowIntegerValues: false)
    where T : struct, Enum;
