using System.Text;
using System.Text.Json;
using System.Text.Json.Serialization.Metadata;

namespace Dora.Vault;

/// <summary>From an answer to what it means: a result, or a typed error that says what to do.</summary>
internal static class VaultRefusal
{
    private const string CheckAndSet = "check-and-set parameter did not match";

    /// <summary>Whether a 503 says by itself that the cause is the seal.</summary>
    public static bool SaysSealed(VaultAnswer answer) =>
        answer.Code == 503 && Encoding.UTF8.GetString(answer.Body).Contains("sealed", StringComparison.OrdinalIgnoreCase);

    /// <summary>The error that an answer without success is.</summary>
    /// <param name="request">What was asked.</param>
    /// <param name="answer">What came back.</param>
    /// <param name="token">The token that went with it, which no message may hold.</param>
    /// <param name="health">What sys/health says, where that was asked; or null.</param>
    public static VaultException Of(VaultRequest request, VaultAnswer answer, string? token, VaultHealth? health = null)
    {
        var words = request.Cleaned(Words(answer), token);
        var said = words.Length == 0 ? "" : $": {words}";
        return answer.Code switch
        {
            _ when health?.State == VaultState.Uninitialized => new VaultSealedException($"Vault was never initialised and cannot {request}: run `vault operator init`, then unseal it", answer.Code),
            _ when health?.State == VaultState.Sealed || SaysSealed(answer) => new VaultSealedException($"Vault is sealed and cannot {request}: unseal it", answer.Code),
            400 when words.Contains(CheckAndSet, StringComparison.Ordinal) => new VaultConflictException($"{request}: another version is there already"),
            403 => new VaultForbiddenException($"Vault does not allow this login to {request}: grant '{request.Verb}' on that path in its policy{said}"),
            404 => new VaultNotFoundException($"Vault has nothing to {request}{said}"),
            412 => new VaultUnreachableException($"the Vault that answers has not caught up with an earlier write and cannot {request} yet", 412),
            429 => new VaultThrottledException($"Vault takes no more requests for now and did not {request}: raise the quota", answer.RetryAfter),
            472 or 473 => new VaultUnreachableException($"this Vault is a secondary that cannot {request}: address the active one", answer.Code),
            501 => new VaultSealedException($"Vault was never initialised and cannot {request}: run `vault operator init`, then unseal it", 501),
            502 or 503 or 504 => new VaultUnreachableException($"Vault has no active node that could {request}{said}", answer.Code),
            _ => new VaultException($"Vault did not {request} ({answer.Code}){said}", answer.Code),
        };
    }

    /// <summary>The whole body in a shape.</summary>
    /// <exception cref="VaultInvalidAnswerException">It is no JSON, or has another shape.</exception>
    public static T Read<T>(VaultRequest request, VaultAnswer answer, JsonTypeInfo<T> shape)
        where T : class
    {
        try
        {
            return JsonSerializer.Deserialize(answer.Body, shape) ?? throw Invalid(request, answer, "it is empty");
        }
        catch (JsonException exception)
        {
            throw Invalid(request, answer, $"it is cut or has another shape at {exception.Path ?? "$"}");
        }
    }

    /// <summary>What is under <c>data</c>.</summary>
    /// <exception cref="VaultInvalidAnswerException">There is none, or it has another shape.</exception>
    public static T Data<T>(VaultRequest request, VaultAnswer answer, JsonTypeInfo<T> shape)
        where T : class
    {
        var data = Read(request, answer, VaultJson.Default.VaultEnvelope).Data;
        try
        {
            return (data is { ValueKind: JsonValueKind.Object } found ? found.Deserialize(shape) : null) ?? throw Invalid(request, answer, "it has no data");
        }
        catch (JsonException exception)
        {
            throw Invalid(request, answer, $"its data has another shape at {exception.Path ?? "$"}");
        }
    }

    /// <summary>An answer that is not what the API promises. The parser's own words are left out: they may quote it.</summary>
    public static VaultInvalidAnswerException Invalid(VaultRequest request, VaultAnswer answer, string problem) =>
        new($"the answer to {request} cannot be used: {problem}; is a Vault at that address, and a secrets engine of the right kind at that path?", answer.Code);

    /// <summary>Vault's own words, not cleaned.</summary>
    public static string Words(VaultAnswer answer)
    {
        try
        {
            return string.Join("; ", JsonSerializer.Deserialize(answer.Body, VaultJson.Default.VaultErrors)?.Errors ?? []).Trim();
        }
        catch (JsonException)
        {
            return "";
        }
    }
}
